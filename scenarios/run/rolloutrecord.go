package run

import (
	"squall/reports"
	"squall/scenarios/judge"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// lateReason is what a Deployment's condition Progressing says when it got no
// further within its progress deadline (k8s 1.36,
// pkg/controller/deployment/util/deployment_util.go, TimedOutReason).
const lateReason = "ProgressDeadlineExceeded"

// rolls records how far a controller is.
func (r *recorder) rolls(entry reports.RolloutEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordRollout(entry)
}

// recordRollout records how far a controller is, when that is new; the caller
// holds the lock.
func (r *recorder) recordRollout(entry reports.RolloutEntry) {
	if had, known := r.rollouts[entry.Object]; known && had == entry {
		return
	}
	at := r.clock.now()
	r.rollouts[entry.Object] = entry
	r.add(reports.Entry{At: at, Kind: reports.KindRollout, Rollout: &entry})
	r.noteWhole(at)
}

// rolling tells whether a rollout is under way; the caller holds the lock.
func (r *recorder) rolling() bool {
	for _, entry := range r.rollouts {
		if !entry.Deleted && !judge.RolledOut(&entry) {
			return true
		}
	}
	return false
}

// deploymentRollout is how far a Deployment is.
func deploymentRollout(d *appsv1.Deployment, deleted bool) reports.RolloutEntry {
	entry := reports.RolloutEntry{
		Object: "Deployment/" + d.Name, UID: string(d.UID), Generation: d.Generation, Observed: d.Status.ObservedGeneration,
		Desired: 1, Pods: d.Status.Replicas, Updated: d.Status.UpdatedReplicas, Ready: d.Status.ReadyReplicas,
		Available: d.Status.AvailableReplicas, Deleted: deleted,
	}
	if d.Spec.Replicas != nil {
		entry.Desired = *d.Spec.Replicas
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			entry.Late = c.Reason == lateReason
		}
	}
	return entry
}

// statefulSetRollout is how far a StatefulSet is.
func statefulSetRollout(s *appsv1.StatefulSet, deleted bool) reports.RolloutEntry {
	entry := reports.RolloutEntry{
		Object: "StatefulSet/" + s.Name, UID: string(s.UID), Generation: s.Generation, Observed: s.Status.ObservedGeneration,
		Desired: 1, Pods: s.Status.Replicas, Updated: s.Status.UpdatedReplicas, Ready: s.Status.ReadyReplicas,
		Available: s.Status.AvailableReplicas, Deleted: deleted,
	}
	if s.Spec.Replicas != nil {
		entry.Desired = *s.Spec.Replicas
	}
	if rolling := s.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.Partition != nil {
		entry.Partition = *rolling.Partition
	}
	return entry
}

package judge

import (
	"strings"

	"squall/reports"
)

// rolled is the time from the injection until the controller of what a step
// changed says that the new revision, or a later one, is rolled out wholly.
func (w *window) rolled() (reports.Offset, *absence) {
	if w.step == nil {
		return 0, w.gone
	}
	made := w.step.changed
	if made == nil {
		return 0, absent("event %q made no new generation of a Deployment or a StatefulSet", w.step.name)
	}
	first, known := reports.Never, false
	for _, s := range w.run.rollouts[made.Object] {
		if s.UID != made.UID || s.at < w.step.injected {
			continue
		}
		known = true
		if s.Observed >= made.Generation && RolledOut(s.RolloutEntry) {
			first = s.at
			break
		}
	}
	if !known {
		return 0, absent("the record does not show how far the rollout of %s came", made.Object)
	}
	return w.run.since(w.step, first)
}

// RolledOut tells whether a rollout is complete, by the rules of "kubectl rollout
// status" (k8s 1.36, staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).
func RolledOut(e *reports.RolloutEntry) bool {
	switch {
	case e.Deleted || e.Observed < e.Generation:
		return false
	case strings.HasPrefix(e.Object, "StatefulSet/"):
		return e.Ready >= e.Desired && e.Updated >= e.Desired-e.Partition
	}
	return !e.Late && e.Updated >= e.Desired && e.Pods <= e.Updated && e.Available >= e.Updated
}

package workloads

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// How long a trouble must last before waiting on is hopeless.
const (
	// unschedulablePatience: a node that is just joining may still take the pod.
	unschedulablePatience = 10 * time.Second
	// refusedPatience: a refusal may come from a controller that is a moment
	// behind, as with a namespace that has just been made.
	refusedPatience = 3 * time.Second
	// never: it may get better at any time; only the deadline ends the wait.
	never = time.Duration(1<<63 - 1)
	// hopelessRestarts is how often a container may crash before its back-off
	// counts as final. The first crash may be an early start.
	hopelessRestarts = 2
)

// trouble is why something is not ready.
type trouble struct {
	key      string        // what is in trouble and how, to tell how long it lasts
	reason   string        // one sentence
	patience time.Duration // how long it may last; 0 is hopeless at once
	// The container whose log helps, when one does.
	pod       *corev1.Pod
	container string
	previous  bool // the log of the run before, which crashed
}

// troubles finds what keeps the roles from being ready, the least patient
// first, which is also the most telling.
func troubles(r Rendered, s snapshot) []trouble {
	var found []trouble
	for _, role := range r.Roles {
		if role.Controller == kindDeployment {
			for _, d := range s.deployments {
				if d.Namespace == role.Namespace && d.Name == role.Name {
					found = append(found, refusals(d)...)
				}
			}
		}
		for _, pod := range s.podsOf(role) {
			if t, ok := podTrouble(role, pod); ok {
				found = append(found, t)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b trouble) int {
		switch {
		case a.patience < b.patience:
			return -1
		case a.patience > b.patience:
			return 1
		}
		return 0
	})
	return found
}

// refusals are the pods that a Deployment was not allowed to make, for example
// by admission or a quota.
func refusals(d *appsv1.Deployment) []trouble {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return []trouble{{
				key:      "refused/" + string(d.UID),
				reason:   fmt.Sprintf("Deployment %q may not make its pods: %s", d.Name, c.Message),
				patience: refusedPatience,
			}}
		}
	}
	return nil
}

// podTrouble is the trouble of one pod that is not ready.
func podTrouble(role Role, pod *corev1.Pod) (trouble, bool) {
	if podReady(pod) || pod.DeletionTimestamp != nil {
		return trouble{}, false
	}
	t := trouble{key: string(pod.UID), patience: never}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if containerTrouble(&t, pod, status) {
			return t, true
		}
	}
	switch {
	case pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		if role.Controller != "" {
			return trouble{}, false // its controller makes another
		}
		t.reason, t.patience = fmt.Sprintf("pod %q has ended (%s) and nothing replaces it", pod.Name, detail(pod.Status.Reason, pod.Status.Message, string(pod.Status.Phase))), 0
		t.readLog(pod, "", false)
	case unschedulable(pod) != "":
		t.key += "/unschedulable"
		t.reason, t.patience = fmt.Sprintf("pod %q fits on no node: %s", pod.Name, unschedulable(pod)), unschedulablePatience
	case pod.Status.Phase == corev1.PodRunning:
		t.reason = fmt.Sprintf("pod %q runs but is not ready", pod.Name)
		t.readLog(pod, "", false)
	default:
		t.reason = fmt.Sprintf("pod %q is still being started on node %q", pod.Name, pod.Spec.NodeName)
	}
	return t, true
}

// containerTrouble fills in why a container waits, when that says something.
func containerTrouble(t *trouble, pod *corev1.Pod, status corev1.ContainerStatus) bool {
	waiting := status.State.Waiting
	if waiting == nil {
		return false
	}
	switch waiting.Reason {
	case "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName":
		t.patience = 0
		t.reason = fmt.Sprintf("pod %q cannot start: node %q has no image %q and cannot get it (%s)",
			pod.Name, pod.Spec.NodeName, status.Image, detail(waiting.Reason, waiting.Message))
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		if waiting.Reason == "CreateContainerConfigError" {
			t.patience = 0
		}
		t.reason = fmt.Sprintf("pod %q: container %q cannot be started (%s)", pod.Name, status.Name, detail(waiting.Reason, waiting.Message))
	case "CrashLoopBackOff":
		if status.RestartCount >= hopelessRestarts {
			t.patience = 0
		}
		t.reason = fmt.Sprintf("pod %q: container %q crashes again and again (%s)", pod.Name, status.Name, ending(status))
		t.readLog(pod, status.Name, true)
	default:
		return false
	}
	return true
}

// ending says how a container's last run ended and how often it was restarted.
func ending(status corev1.ContainerStatus) string {
	restarts := fmt.Sprintf("%d restarts", status.RestartCount)
	end := status.LastTerminationState.Terminated
	if end == nil {
		return restarts
	}
	return fmt.Sprintf("exit code %d, %s; %s", end.ExitCode, detail(end.Reason, end.Message), restarts)
}

// readLog marks the container whose log helps; empty names the first one.
func (t *trouble) readLog(pod *corev1.Pod, container string, previous bool) {
	if container == "" && len(pod.Spec.Containers) > 0 {
		container = pod.Spec.Containers[0].Name
	}
	t.pod, t.container, t.previous = pod, container, previous
}

// unschedulable is the scheduler's reason, empty when it has none.
func unschedulable(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return c.Message
		}
	}
	return ""
}

// detail joins what is not empty, on one line.
func detail(parts ...string) string {
	said := parts[:0]
	for _, part := range parts {
		if part = strings.Join(strings.Fields(part), " "); part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, ": ")
}

package run

import (
	"cmp"
	"reflect"

	"squall/reports"

	corev1 "k8s.io/api/core/v1"
)

// podEntry is a pod as the record shows it.
func podEntry(pod *corev1.Pod, role string, deleted bool) reports.PodEntry {
	entry := reports.PodEntry{
		Name: pod.Namespace + "/" + pod.Name, UID: string(pod.UID), Role: role, Node: pod.Spec.NodeName,
		Phase: string(pod.Status.Phase), Terminating: pod.DeletionTimestamp != nil, Deleted: deleted,
		Reason: pod.Status.Reason,
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			entry.Ready = c.Status == corev1.ConditionTrue && !deleted
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		entry.Restarts += status.RestartCount
		switch {
		case status.State.Waiting != nil:
			entry.Reason = cmp.Or(status.State.Waiting.Reason, entry.Reason)
		case status.State.Terminated != nil:
			entry.Reason = cmp.Or(status.State.Terminated.Reason, entry.Reason)
		}
	}
	entry.Containers = containerEntries(pod.Status.InitContainerStatuses, true)
	entry.Containers = append(entry.Containers, containerEntries(pod.Status.ContainerStatuses, false)...)
	return entry
}

// containerEntries are those containers of which there is something to say: a
// restart, a wait for more than its start, an end.
func containerEntries(statuses []corev1.ContainerStatus, early bool) []reports.ContainerEntry {
	var all []reports.ContainerEntry
	for _, status := range statuses {
		entry := reports.ContainerEntry{Name: status.Name, Init: early, Restarts: status.RestartCount}
		if waits := status.State.Waiting; waits != nil && !starting(waits.Reason) {
			entry.Waiting = waits.Reason
		}
		if ended := cmp.Or(status.State.Terminated, status.LastTerminationState.Terminated); ended != nil {
			entry.Ended = containerEnd(ended)
		}
		done := entry.Ended != nil && early && entry.Ended.Code == 0 // as it should
		if entry.Restarts > 0 || entry.Waiting != "" || entry.Ended != nil && !done {
			all = append(all, entry)
		}
	}
	return all
}

// starting tells whether a container that waits for this is merely on its way.
func starting(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}

// containerEnd is how a run of a container ended. Runtimes tell a signal by the
// exit code that a shell would give, and leave its field empty.
func containerEnd(ended *corev1.ContainerStateTerminated) *reports.ContainerEnd {
	end := &reports.ContainerEnd{Code: ended.ExitCode, Signal: ended.Signal, Reason: ended.Reason}
	const shell, signals = 128, 64
	if end.Signal == 0 && end.Code > shell && end.Code <= shell+signals {
		end.Signal = end.Code - shell
	}
	return end
}

// samePod tells whether two entries say the same of a pod.
func samePod(a, b reports.PodEntry) bool { return reflect.DeepEqual(a, b) }

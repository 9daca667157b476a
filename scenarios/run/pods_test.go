package run

import (
	"testing"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

func TestContainersEnds(t *testing.T) {
	waits := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	ends := func(code, signal int32, reason string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Signal: signal, Reason: reason}}
	}
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for name, one := range map[string]struct {
		status corev1.ContainerStatus
		init   bool
		want   *reports.ContainerEntry
	}{
		"runs":            {status: corev1.ContainerStatus{State: runs}},
		"is being made":   {status: corev1.ContainerStatus{State: waits("ContainerCreating")}},
		"waits its turn":  {status: corev1.ContainerStatus{State: waits("PodInitializing")}},
		"has no image":    {status: corev1.ContainerStatus{State: waits("ErrImagePull")}, want: &reports.ContainerEntry{Waiting: "ErrImagePull"}},
		"an init is done": {status: corev1.ContainerStatus{State: ends(0, 0, "Completed")}, init: true},
		"an init failed": {status: corev1.ContainerStatus{State: ends(1, 0, "Error")}, init: true,
			want: &reports.ContainerEntry{Init: true, Ended: &reports.ContainerEnd{Code: 1, Reason: "Error"}}},
		"is done": {status: corev1.ContainerStatus{State: ends(0, 0, "Completed")},
			want: &reports.ContainerEntry{Ended: &reports.ContainerEnd{Reason: "Completed"}}},
		"runs again, after too much memory": {status: corev1.ContainerStatus{State: runs, RestartCount: 2, LastTerminationState: ends(137, 0, "OOMKilled")},
			want: &reports.ContainerEntry{Restarts: 2, Ended: &reports.ContainerEnd{Code: 137, Signal: 9, Reason: "OOMKilled"}}},
		"ended anew": {status: corev1.ContainerStatus{State: ends(143, 0, "Error"), RestartCount: 1, LastTerminationState: ends(2, 0, "Error")},
			want: &reports.ContainerEntry{Restarts: 1, Ended: &reports.ContainerEnd{Code: 143, Signal: 15, Reason: "Error"}}},
		"a signal that the runtime tells": {status: corev1.ContainerStatus{State: ends(1, 11, "Error")},
			want: &reports.ContainerEntry{Ended: &reports.ContainerEnd{Code: 1, Signal: 11, Reason: "Error"}}},
		"an exit code of its own": {status: corev1.ContainerStatus{State: ends(255, 0, "Error")},
			want: &reports.ContainerEntry{Ended: &reports.ContainerEnd{Code: 255, Reason: "Error"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pod("catalog", "a", 0, "w1")
			one.status.Name = "shop"
			if p.Status.ContainerStatuses = []corev1.ContainerStatus{one.status}; one.init {
				p.Status.InitContainerStatuses, p.Status.ContainerStatuses = p.Status.ContainerStatuses, nil
			}
			var want []reports.ContainerEntry
			if one.want != nil {
				one.want.Name = "shop"
				want = []reports.ContainerEntry{*one.want}
			}
			assert.Equal(t, want, podEntry(&p, "catalog", false).Containers)
		})
	}
}

func TestARestartIsRecordedOnce(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, []workloads.Role{{
		Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: 1,
	}})
	r.seePod(ready("a", "1"), false)
	again := ready("a", "2")
	again.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "shop", RestartCount: 1}}
	r.seePod(again, false)
	r.seePod(again, false)
	killed := again.DeepCopy()
	killed.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
	r.seePod(killed, false)
	var seen []string
	for _, e := range record.all() {
		if e.Pod != nil {
			why := "unknown"
			if len(e.Pod.Containers) > 0 && e.Pod.Containers[0].Ended != nil {
				why = e.Pod.Containers[0].Ended.Reason
			}
			seen = append(seen, why)
		}
	}
	assert.Equal(t, []string{"unknown", "unknown", "OOMKilled"}, seen)
}

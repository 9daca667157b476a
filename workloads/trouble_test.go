package workloads

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pod is a pod of the catalog whose one container is in that state.
func pod(name string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "pod-kill", UID: types.UID(name),
			Labels: map[string]string{"app": "catalog", "app.kubernetes.io/part-of": "shop"},
		},
		Spec:   corev1.PodSpec{NodeName: "worker-1", Containers: []corev1.Container{{Name: "shop"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "shop", Image: "squall.local/shop:v1"}}},
	}
	change(p)
	return p
}

// waiting puts the pod's container into a waiting state.
func waiting(reason, message string, restarts int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
		p.Status.ContainerStatuses[0].RestartCount = restarts
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}
	}
}

// condition sets one condition of the pod.
func condition(kind corev1.PodConditionType, status corev1.ConditionStatus, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: kind, Status: status, Reason: reason, Message: message}}
	}
}

func TestPodTroubles(t *testing.T) {
	ended := func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }
	deleted := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }
	cases := []struct {
		name       string
		change     func(*corev1.Pod)
		controller string
		reason     string // empty: no trouble
		patience   time.Duration
		log        bool
	}{
		{"ready", condition(corev1.PodReady, corev1.ConditionTrue, "", ""), "Deployment", "", 0, false},
		{"going", deleted, "Deployment", "", 0, false},
		{"no image", waiting("ErrImageNeverPull", "not present", 0), "Deployment",
			`pod "catalog-0" cannot start: node "worker-1" has no image "squall.local/shop:v1" and cannot get it (ErrImageNeverPull: not present)`, 0, false},
		{"image pull", waiting("ImagePullBackOff", "", 0), "Deployment",
			`pod "catalog-0" cannot start: node "worker-1" has no image "squall.local/shop:v1" and cannot get it (ImagePullBackOff)`, 0, false},
		{"first pull error", waiting("ErrImagePull", "", 0), "Deployment", `pod "catalog-0" runs but is not ready`, never, true},
		{"config", waiting("CreateContainerConfigError", "secret not\n found", 0), "Deployment",
			`pod "catalog-0": container "shop" cannot be started (CreateContainerConfigError: secret not found)`, 0, false},
		{"crashed once", waiting("CrashLoopBackOff", "back-off", 1), "Deployment",
			`pod "catalog-0": container "shop" crashes again and again (exit code 2, Error; 1 restarts)`, never, true},
		{"crashed twice", waiting("CrashLoopBackOff", "back-off", 2), "Deployment",
			`pod "catalog-0": container "shop" crashes again and again (exit code 2, Error; 2 restarts)`, 0, true},
		{"starting", waiting("ContainerCreating", "", 0), "Deployment", `pod "catalog-0" runs but is not ready`, never, true},
		{"unschedulable", condition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/3 nodes: Insufficient cpu."), "Deployment",
			`pod "catalog-0" fits on no node: 0/3 nodes: Insufficient cpu.`, 10 * time.Second, false},
		{"evicted, replaced", ended, "Deployment", "", 0, false},
		{"evicted, bare", ended, "", `pod "catalog-0" has ended (Evicted: Failed) and nothing replaces it`, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, ok := podTrouble(Role{Name: "catalog", Controller: c.controller}, pod("catalog-0", c.change))
			assert.Equal(t, c.reason != "", ok)
			if c.reason != "" {
				assert.Equal(t, c.reason, got.reason)
				assert.Equal(t, c.patience, got.patience)
				assert.Equal(t, c.log, got.pod != nil)
			}
		})
	}
}

func TestTroublesTellTheWorstFirst(t *testing.T) {
	r := render(t, shopSpec())
	refused := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "catalog", Namespace: "pod-kill"},
		Status: appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: small"},
		}},
	}
	found := troubles(r, snapshot{
		pods: []*corev1.Pod{
			pod("a", func(*corev1.Pod) {}), pod("b", waiting("CrashLoopBackOff", "", 3)),
			pod("other", func(p *corev1.Pod) { p.Namespace = "elsewhere"; waiting("ErrImageNeverPull", "", 0)(p) }),
		},
		deployments: []*appsv1.Deployment{refused},
	})
	var reasons []string
	for _, f := range found {
		reasons = append(reasons, f.reason)
	}
	assert.Equal(t, []string{
		`pod "b": container "shop" crashes again and again (exit code 2, Error; 3 restarts)`,
		`Deployment "catalog" may not make its pods: exceeded quota: small`,
		`pod "a" runs but is not ready`,
	}, reasons)
}

func TestHopelessCountsPatienceFromFirstSight(t *testing.T) {
	since := map[string]time.Time{}
	at := func(seconds int) time.Time { return time.Unix(int64(1000+seconds), 0) }
	full := []trouble{{key: "a", patience: 10 * time.Second}, {key: "b", patience: never}}
	verdict, next := hopeless(full, since, at(0))
	assert.Nil(t, verdict)
	assert.Equal(t, 10*time.Second, next)
	_, next = hopeless(full, since, at(7))
	assert.Equal(t, 3*time.Second, next)
	verdict, next = hopeless(nil, since, at(8))
	assert.Nil(t, verdict)
	assert.Equal(t, never, next)
	_, next = hopeless(full, since, at(9))
	assert.Equal(t, 10*time.Second, next, "it was over in between")
	verdict, _ = hopeless(full, since, at(19))
	assert.NotNil(t, verdict)
}

package run

import (
	"testing"
	"time"

	"squall/chaos"
	"squall/scenarios"
	"squall/scenarios/plan"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pod is a running pod of a role, made so many seconds after the first.
func pod(role, name string, age int, node string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: scenarios.Namespace, Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": role},
			CreationTimestamp: metav1.NewTime(time.Unix(1_000_000+int64(age), 0)),
		},
		Spec:   corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// fewRoles are two roles, found by their label.
func fewRoles() []workloads.Role {
	var roles []workloads.Role
	for _, name := range []string{"catalog", "gateway"} {
		roles = append(roles, workloads.Role{Name: name, Namespace: scenarios.Namespace, Labels: map[string]string{"app": name}})
	}
	return roles
}

// hits are the names of the pods that an event hits.
func hits(t *testing.T, selector string, event plan.Event, pods ...corev1.Pod) (names []string, ordinals []int) {
	t.Helper()
	fault, err := chaos.Decode([]byte(`{"kind":"PodChaos","spec":{"action":"pod-kill","mode":"all","selector":` + selector + `}}`))
	require.NoError(t, err)
	now := live{pods: pods, nodes: map[string]*corev1.Node{
		"w1": {ObjectMeta: metav1.ObjectMeta{Name: "w1", Labels: map[string]string{"zone": "a"}}},
		"w2": {ObjectMeta: metav1.ObjectMeta{Name: "w2", Labels: map[string]string{"zone": "b"}}},
	}}
	for _, v := range victims(event, fault.In(scenarios.Namespace), nil, fewRoles(), now) {
		names, ordinals = append(names, v.Pod), append(ordinals, v.Ordinal)
	}
	return names, ordinals
}

func TestVictims(t *testing.T) {
	pods := []corev1.Pod{
		pod("catalog", "a-young", 9, "w1"), pod("catalog", "c-b", 1, "w2"), pod("catalog", "c-a", 1, "w1"),
		pod("gateway", "g", 0, "w2"),
	}
	all := plan.Count{Mode: "all"}
	order := []plan.Candidate{{Role: "catalog", Ordinal: 2}, {Role: "gateway", Ordinal: 0}, {Role: "catalog", Ordinal: 0}, {Role: "catalog", Ordinal: 1}}

	// By age, then name; in the plan's order.
	names, ordinals := hits(t, `{}`, plan.Event{Count: all, Candidates: order}, pods...)
	assert.Equal(t, []string{"a-young", "g", "c-a", "c-b"}, names)
	assert.Equal(t, []int{2, 0, 0, 1}, ordinals)

	// As many as planned, and never more than there are.
	names, _ = hits(t, `{}`, plan.Event{Count: plan.Count{Mode: "fixed", Pods: 2}, Candidates: order}, pods...)
	assert.Equal(t, []string{"a-young", "g"}, names)
	names, _ = hits(t, `{}`, plan.Event{Count: plan.Count{Mode: "fixed", Pods: 9}, Candidates: order}, pods...)
	assert.Len(t, names, 4)
	names, _ = hits(t, `{}`, plan.Event{Count: plan.Count{Mode: "random-max-percent"}, Candidates: order}, pods...)
	assert.Empty(t, names)

	// What only live pods can tell narrows the choice, and the count goes by it.
	half := plan.Event{Count: plan.Count{Mode: "fixed-percent", Percent: 50}, Candidates: order}
	names, _ = hits(t, `{"nodeSelectors":{"zone":"b"}}`, half, pods...)
	assert.Equal(t, []string{"g"}, names)

	// Pods that nobody planned come last, by role and ordinal.
	names, _ = hits(t, `{}`, plan.Event{Count: all, Candidates: order[:1]}, pods...)
	assert.Equal(t, []string{"a-young", "c-a", "c-b", "g"}, names)
}

func TestAReplayHitsTheSameOrNobody(t *testing.T) {
	followed := plan.Plan{Events: []plan.Event{
		{Name: "kill", Count: plan.Count{Mode: "all"}, Candidates: []plan.Candidate{{Role: "catalog", Ordinal: 0}, {Role: "catalog", Ordinal: 1}}},
		{Name: "later", Count: plan.Count{Mode: "all"}},
	}}.Following(map[string][]plan.Candidate{"kill": {{Role: "catalog", Ordinal: 1}}})
	kill, later := followed.Events[0], followed.Events[1]
	hit := []chaos.Victim{{Role: "catalog", Ordinal: 1}}
	got, err := exactly(kill, hit)
	require.NoError(t, err)
	assert.Equal(t, hit, got)
	_, err = exactly(kill, []chaos.Victim{{Role: "catalog", Ordinal: 0}})
	require.EqualError(t, err, "the run that is followed hit catalog/1, which is not there now, or which the selector does not take")
	got, err = exactly(later, hit)
	require.NoError(t, err, "the run that is followed never came to it")
	assert.Equal(t, hit, got)

	names, ordinals := hits(t, `{}`, kill, pod("catalog", "c-b", 1, "w2"), pod("catalog", "c-a", 0, "w1"))
	assert.Equal(t, []string{"c-b"}, names)
	assert.Equal(t, []int{1}, ordinals)
	again, err := plan.Parse(followed.JSON())
	require.NoError(t, err)
	assert.Equal(t, followed.JSON(), again.JSON())
}

func TestVictimsAreAlive(t *testing.T) {
	leaving, failed, stranger := pod("catalog", "leaving", 0, "w1"), pod("catalog", "failed", 1, "w1"), pod("other", "other", 2, "w1")
	now := metav1.Now()
	leaving.DeletionTimestamp = &now
	failed.Status.Phase = corev1.PodFailed
	event := plan.Event{Count: plan.Count{Mode: "all"}}
	names, ordinals := hits(t, `{}`, event, leaving, failed, stranger, pod("catalog", "alive", 3, "w1"))
	assert.Equal(t, []string{"alive"}, names)
	assert.Equal(t, []int{0}, ordinals, "the dead have no place in the count")
	names, _ = hits(t, `{}`, event)
	assert.Empty(t, names)
}

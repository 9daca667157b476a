package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/chaos/chaostest"
	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/plan"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// apiNodes sees nodes as the API has them, and so without delay.
type apiNodes struct{ client kubernetes.Interface }

func (a apiNodes) nodeNow(name string) (reports.NodeEntry, bool) {
	node, err := a.client.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return reports.NodeEntry{}, false
	}
	return nodeEntry(node, false), true
}

// owned is a pod that a controller of a kind looks after.
func owned(name, kind string) *corev1.Pod {
	p := pod("catalog", name, 0, "w1")
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: "x", Controller: &yes}}
	return &p
}

// budget is an API with a node and pods, of which those that are stuck may go only
// from a moment on. It notes what is evicted.
type budget struct {
	client  *fake.Clientset
	clock   clock
	from    time.Duration
	asked   map[string][]time.Duration
	evicted []policyv1.Eviction
}

func newBudget(from time.Duration, stuck []string, pods ...*corev1.Pod) *budget {
	node := machine("w1")
	node.UID = "uid-w1"
	objects := []runtime.Object{node}
	for _, p := range pods {
		objects = append(objects, p)
	}
	b := &budget{client: fake.NewClientset(objects...), clock: newClock(), from: from, asked: map[string][]time.Duration{}}
	b.client.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "eviction" {
			return false, nil, nil
		}
		e := a.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction)
		b.asked[e.Name] = append(b.asked[e.Name], b.clock.now())
		if slices.Contains(stuck, e.Name) && b.clock.now() < b.from {
			refused := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
			refused.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "The disruption budget catalog needs 2 healthy pods and has 2 currently"}}
			return true, nil, refused
		}
		b.evicted = append(b.evicted, *e)
		return true, nil, b.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), e.Namespace, e.Name)
	})
	return b
}

func drained1() []chaos.Victim {
	return []chaos.Victim{{Role: "worker", UID: "uid-w1", Node: "w1"}}
}

// drainFor lets a drain last a while, and returns what it says at its end.
func drainFor(t *testing.T, b *budget, asked scenarios.Drain, lasts time.Duration) string {
	t.Helper()
	d := newDrain(b.client, apiNodes{b.client}, asked)
	require.NoError(t, d.Inject(t.Context(), chaos.Env{}, drained1()))
	evidence, err := d.Prove(t.Context(), chaos.Env{}, drained1())
	require.NoError(t, err)
	assert.Equal(t, "w1: cordoned, as the watch shows, and pods are being evicted", evidence)
	time.Sleep(lasts) // in a bubble
	require.ErrorContains(t, d.ProveGone(t.Context(), chaos.Env{}, drained1()), "is still cordoned")
	require.NoError(t, d.Undo(t.Context(), chaos.Env{}, drained1()))
	require.NoError(t, d.ProveGone(t.Context(), chaos.Env{}, drained1()))
	require.NoError(t, d.Undo(t.Context(), chaos.Env{}, drained1()), "again")
	node, err := b.client.CoreV1().Nodes().Get(t.Context(), "w1", metav1.GetOptions{})
	require.NoError(t, err)
	assert.False(t, node.Spec.Unschedulable)
	e := reports.EventEntry{Stage: reports.StageUndone, Detail: "seen to be gone", Victims: []reports.Victim{{Node: "w1"}}}
	d.annotate(&e)
	return e.Detail
}

func TestDrainEvictsWhatItMustAndRespectsBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mirror, ended, grace := owned("mirror", "Node"), owned("ended", "Job"), 3*time.Second
		mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
		ended.Status.Phase = corev1.PodSucceeded
		bare := pod("catalog", "bare", 0, "w1")
		b := newBudget(2500*time.Millisecond, []string{"b"}, owned("a", "ReplicaSet"), owned("b", "ReplicaSet"), owned("ds", "DaemonSet"), mirror, ended, &bare)
		assert.Equal(t, "seen to be gone; w1 drained after 4s", drainFor(t, b, scenarios.Drain{Grace: &grace}, 10*time.Second))
		assert.Equal(t, map[string][]time.Duration{"a": {0}, "bare": {0}, "b": {0, time.Second, 2 * time.Second, 3 * time.Second}}, b.asked)
		for _, e := range b.evicted {
			assert.Equal(t, int64(3), *e.DeleteOptions.GracePeriodSeconds)
			assert.NotEmpty(t, *e.DeleteOptions.Preconditions.UID, "one pod and no namesake")
		}
	})
}

func TestDrainSaysWhatHoldsItUp(t *testing.T) {
	for name, one := range map[string]struct {
		timeout, lasts time.Duration
		asked          int
	}{"until it is undone": {0, 4500 * time.Millisecond, 5}, "until its timeout": {2500 * time.Millisecond, time.Minute, 3}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(time.Hour, []string{"b"}, owned("a", "ReplicaSet"), owned("b", "ReplicaSet"))
				says := drainFor(t, b, scenarios.Drain{Timeout: one.timeout}, one.lasts)
				assert.Equal(t, "seen to be gone; w1 not drained: squall/b is still there: Cannot evict pod as it would violate the pod's disruption budget."+
					" The disruption budget catalog needs 2 healthy pods and has 2 currently", says)
				assert.Len(t, b.asked["b"], one.asked)
			})
		})
	}
}

func TestDrainRefusals(t *testing.T) {
	b := newBudget(0, nil, owned("a", "ReplicaSet"))
	inject := func(victims ...chaos.Victim) error {
		return newDrain(b.client, apiNodes{b.client}, scenarios.Drain{}).Inject(t.Context(), chaos.Env{}, victims)
	}
	require.ErrorContains(t, inject(), "no victim")
	require.ErrorContains(t, inject(chaos.Victim{Role: "worker", UID: "another", Node: "w1"}), "another node has its name")
	require.ErrorContains(t, inject(chaos.Victim{Role: "worker", UID: "uid-w2", Node: "w2"}), "not found")
	node, err := b.client.CoreV1().Nodes().Get(t.Context(), "w1", metav1.GetOptions{})
	require.NoError(t, err)
	node.Spec.Unschedulable = true
	_, err = b.client.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.ErrorContains(t, inject(drained1()...), "it is cordoned already")
	assert.Empty(t, b.asked)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	d := newDrain(b.client, apiNodes{b.client}, scenarios.Drain{})
	_, err = d.Prove(ctx, chaos.Env{}, drained1())
	require.ErrorContains(t, err, "it was not cordoned", "no injection, no proof")
	require.NoError(t, d.Undo(t.Context(), chaos.Env{}, drained1()))
	node, err = b.client.CoreV1().Nodes().Get(t.Context(), "w1", metav1.GetOptions{})
	require.NoError(t, err)
	assert.True(t, node.Spec.Unschedulable, "what others cordoned stays cordoned")
}

func TestTenantsAreRecordedByNode(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	r.replaceNodes([]*corev1.Node{machine("w1"), machine("w2")})
	tenant := func(name, node, owner string) *corev1.Pod {
		p := owned(name, owner)
		p.Spec.NodeName, p.UID = node, types.UID(name)
		return p
	}
	r.replaceTenants([]*corev1.Pod{tenant("b", "w1", "ReplicaSet"), tenant("a", "w1", "ReplicaSet"), tenant("ds", "w2", "DaemonSet"), tenant("waits", "", "ReplicaSet")})
	r.seeTenant(tenant("b", "w1", "ReplicaSet"), false)
	r.seeTenant(tenant("waits", "w2", "ReplicaSet"), false)
	r.seeTenant(tenant("b", "w1", "ReplicaSet"), true)
	done := tenant("a", "w1", "ReplicaSet")
	done.Status.Phase = corev1.PodFailed
	r.seeTenant(done, false)
	r.replaceTenants(nil)
	var seen []string
	for _, e := range record.all() {
		if e.Kind == reports.KindTenants {
			seen = append(seen, fmt.Sprint(e.Tenants.Node, e.Tenants.Evictable))
		}
	}
	require.Len(t, seen, 6)
	assert.ElementsMatch(t, []string{"w1[squall/a squall/b]", "w2[]"}, seen[:2])
	assert.Equal(t, []string{"w2[squall/waits]", "w1[squall/a]", "w1[]", "w2[]"}, seen[2:])
}

// testDrain holds a drain to the contract of all faults on a real worker, and has a
// real disruption budget hold one up.
func testDrain(ctx context.Context, t *testing.T, c cluster.Cluster, client kubernetes.Interface) {
	var record tape
	r := newRecorder(newClock(), record.add, roles(t))
	r.processes, r.tenants.on = c.PodProcesses, true
	require.NoError(t, r.start(ctx, client))
	defer r.stop()
	require.Eventually(t, whole(r), time.Minute, 50*time.Millisecond)
	now, err := lookAround(ctx, client)
	require.NoError(t, err)
	aim, err := scenarios.Step{Drain: &scenarios.Drain{Mode: "all", Selector: &scenarios.NodeSelector{Nodes: []string{"worker/1"}}}}.Aim()
	require.NoError(t, err)
	hit := nodeVictims(plan.Event{Count: plan.Count{Mode: "all"}, Candidates: []plan.Candidate{{Role: "worker", Ordinal: 1}}}, aim, nil, c.Info().Nodes, now)
	require.Len(t, hit, 1)
	left := func() []string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(r.tenants.told[hit[0].Node])
	}
	require.NotEmpty(t, left(), "there is something to move")

	budgets := client.PolicyV1().PodDisruptionBudgets(scenarios.Namespace)
	all := intstr.FromString("100%")
	_, err = budgets.Create(ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "keep"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: &all, Selector: &metav1.LabelSelector{MatchLabels: r.roles[0].Labels},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	held := newDrain(client, r, scenarios.Drain{})
	require.NoError(t, held.Inject(ctx, chaos.Env{}, hit))
	defer func() { assert.NoError(t, held.Undo(context.WithoutCancel(ctx), chaos.Env{}, hit)) }()
	told := func() string {
		e := reports.EventEntry{Stage: reports.StageUndone, Victims: []reports.Victim{{Node: hit[0].Node}}}
		held.annotate(&e)
		return e.Detail
	}
	require.Eventually(t, func() bool {
		names := left()
		return len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, scenarios.Namespace+"/catalog-") }) &&
			strings.Contains(told(), "The disruption budget keep needs")
	}, 40*time.Second, 50*time.Millisecond, "all but the catalog goes: %v, %s", left(), told())
	require.NoError(t, held.Undo(ctx, chaos.Env{}, hit))
	require.NoError(t, held.ProveGone(ctx, chaos.Env{}, hit))
	require.NoError(t, budgets.Delete(ctx, "keep", metav1.DeleteOptions{}))

	env := chaos.Env{Client: client, Observer: r}
	second := time.Second
	require.NoError(t, chaostest.Run(ctx, newDrain(client, r, scenarios.Drain{Grace: &second}), env, hit))
}

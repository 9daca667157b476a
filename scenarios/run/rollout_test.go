package run

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

// historic is an API with a Deployment and a StatefulSet, both at their second
// generation and third revision. Each of their templates has its revision as an
// annotation. Updates count up; controllers see them at once unless they are lazy.
func historic(t *testing.T, lazy bool) *dynamicfake.FakeDynamicClient {
	t.Helper()
	template := func(revision string) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "x"}, "annotations": map[string]any{"revision": revision}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "x", "image": "x:" + revision}}},
		}
	}
	object := func(kind, name, owner string, rest map[string]any) *unstructured.Unstructured {
		o := &unstructured.Unstructured{Object: rest}
		o.SetAPIVersion("apps/v1")
		o.SetKind(kind)
		o.SetName(name)
		o.SetNamespace(scenarios.Namespace)
		o.SetResourceVersion("1")
		if owner != "" {
			yes := true
			o.SetOwnerReferences([]metav1.OwnerReference{{UID: "uid-x", Kind: owner, Name: "x", Controller: &yes}})
		}
		return o
	}
	var objects []runtime.Object
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		o := object(kind, "x", "", map[string]any{
			"spec":   map[string]any{"replicas": int64(3), "template": template("3")},
			"status": map[string]any{"observedGeneration": int64(2)},
		})
		o.SetUID("uid-x")
		o.SetGeneration(2)
		objects = append(objects, o)
	}
	for name, revision := range map[string]string{"a": "2", "b": "10", "c": "3", "other": "9"} {
		set := object("ReplicaSet", name, "Deployment", map[string]any{"spec": map[string]any{"template": template(revision)}})
		set.SetAnnotations(map[string]string{revisionKey: revision})
		require.NoError(t, unstructured.SetNestedField(set.Object, "h4sh", "spec", "template", "metadata", "labels", hashKey))
		kept := object("ControllerRevision", name, "StatefulSet", map[string]any{
			"data": map[string]any{"spec": map[string]any{"template": template(revision)}},
		})
		number, err := strconv.ParseInt(revision, 10, 64)
		require.NoError(t, err)
		kept.Object["revision"] = number
		require.NoError(t, unstructured.SetNestedField(kept.Object, "replace", "data", "spec", "template", "$patch"))
		if name == "other" { // another controller's
			set.SetOwnerReferences(nil)
			kept.SetOwnerReferences(nil)
		}
		objects = append(objects, set, kept)
	}
	client := dynamicfake.NewSimpleDynamicClient(scheme.Scheme, objects...)
	client.PrependReactor("update", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		asked := a.(clienttesting.UpdateAction).GetObject().(*unstructured.Unstructured).DeepCopy()
		asked.SetResourceVersion(asked.GetResourceVersion() + "1")
		asked.SetGeneration(asked.GetGeneration() + 1)
		if !lazy {
			if err := unstructured.SetNestedField(asked.Object, asked.GetGeneration(), "status", "observedGeneration"); err != nil {
				return true, nil, err
			}
		}
		return true, asked, client.Tracker().Update(a.GetResource(), asked, a.GetNamespace())
	})
	return client
}

// controllers are the two, as a workload would render them.
func controllers(kinds ...string) (all []*unstructured.Unstructured) {
	for _, kind := range kinds {
		o := &unstructured.Unstructured{}
		o.SetAPIVersion("apps/v1")
		o.SetKind(kind)
		o.SetName("x")
		o.SetNamespace(scenarios.Namespace)
		all = append(all, o)
	}
	return all
}

func TestRollbackGoesToTheRevisionBeforeTheNewest(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		synctest.Test(t, func(t *testing.T) {
			client := historic(t, false)
			a, err := newAPIStep(client, controllers(kind), scenarios.Step{Rollback: &scenarios.Rollback{Workload: "x"}})
			require.NoError(t, err)
			require.NoError(t, a.Inject(t.Context(), chaos.Env{}, nil))
			now, err := a.objects.Get(t.Context(), "x", metav1.GetOptions{})
			require.NoError(t, err)
			template, _, err := unstructured.NestedMap(now.Object, "spec", "template")
			require.NoError(t, err)
			assert.Equal(t, map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "x"}, "annotations": map[string]any{"revision": "3"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "x", "image": "x:3"}}},
			}, template, "%s: 3 comes before 10", kind)
			evidence, err := a.Prove(t.Context(), chaos.Env{}, nil)
			require.NoError(t, err)
			assert.Contains(t, evidence, kind+"/x: it is changed, and its controller has seen its generation 3")
			e := reports.EventEntry{Stage: reports.StageBitten}
			a.annotate(&e)
			assert.Equal(t, &reports.Changed{Object: kind + "/x", UID: "uid-x", Generation: 3}, e.Changed)
		})
	}
}

func TestRollbackRefusals(t *testing.T) {
	for name, one := range map[string]struct {
		change func(*testing.T, *dynamicfake.FakeDynamicClient, *unstructured.Unstructured)
		says   string
	}{
		"paused": {func(t *testing.T, _ *dynamicfake.FakeDynamicClient, o *unstructured.Unstructured) {
			require.NoError(t, unstructured.SetNestedField(o.Object, true, "spec", "paused"))
		}, "it is paused"},
		"not seen": {func(t *testing.T, _ *dynamicfake.FakeDynamicClient, o *unstructured.Unstructured) {
			o.SetGeneration(7)
		}, "its controller has seen its generation 2, and not yet 7, so its history is not whole"},
		"no history": {func(t *testing.T, _ *dynamicfake.FakeDynamicClient, o *unstructured.Unstructured) {
			o.SetUID("another")
		}, "it has 0 revisions in its history"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := historic(t, false)
				a, err := newAPIStep(client, controllers("Deployment"), scenarios.Step{Rollback: &scenarios.Rollback{Workload: "x"}})
				require.NoError(t, err)
				o, err := a.objects.Get(t.Context(), "x", metav1.GetOptions{})
				require.NoError(t, err)
				one.change(t, client, o)
				resource, err := workloads.Resource(o)
				if err == nil {
					err = client.Tracker().Update(resource, o, o.GetNamespace())
				}
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.ErrorContains(t, a.Inject(ctx, chaos.Env{}, nil), one.says)
			})
		})
	}
}

func TestRolloutIsDoneWhenItsControllerHasSeenIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := done(t, lazyAPI(t, shopOf(t)), scenarios.Step{Rollout: &scenarios.Rollout{Workload: "catalog", Restart: true}})
		require.ErrorContains(t, err, "Deployment/catalog: its controller has seen its generation 1, and not yet 2")
		_, err = newAPIStep(lazyAPI(t, shopOf(t)), objectsOf(shopOf(t)), scenarios.Step{Rollout: &scenarios.Rollout{Workload: "cart"}})
		require.ErrorContains(t, err, `no workload rendered a controller "cart"`)
	})
}

func TestRolloutsAreRecordedAndWaitedFor(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	three, one := int32(3), int32(1)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d", UID: "u", Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: &three},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 2, ReadyReplicas: 3, AvailableReplicas: 3}}
	require.True(t, whole(r)())
	r.seeDeployment(d, false)
	assert.False(t, whole(r)(), "a rollout is under way")
	d.Annotations = map[string]string{"nothing": "new"}
	r.seeDeployment(d, false)
	late := d.DeepCopy()
	late.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: lateReason}}
	r.seeDeployment(late, false)
	d.Status.Replicas, d.Status.UpdatedReplicas = 3, 3
	r.seeDeployment(d, false)
	assert.True(t, whole(r)())
	s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "s", UID: "v", Generation: 1},
		Spec:   appsv1.StatefulSetSpec{UpdateStrategy: appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &one}}},
		Status: appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 0, ReadyReplicas: 0, AvailableReplicas: 1}}
	r.seeStatefulSet(s, false)
	assert.False(t, whole(r)())
	r.seeStatefulSet(s, true)
	assert.True(t, whole(r)(), "what is gone is not waited for")
	var seen []reports.RolloutEntry
	for _, e := range record.all() {
		seen = append(seen, *e.Rollout)
	}
	first := reports.RolloutEntry{Object: "Deployment/d", UID: "u", Generation: 2, Observed: 2, Desired: 3, Pods: 4, Updated: 2, Ready: 3, Available: 3}
	second, third := first, first
	second.Late = true
	third.Pods, third.Updated = 3, 3
	set := reports.RolloutEntry{Object: "StatefulSet/s", UID: "v", Generation: 1, Observed: 1, Desired: 1, Pods: 1, Available: 1, Partition: 1}
	gone := set
	gone.Deleted = true
	assert.Equal(t, []reports.RolloutEntry{first, second, third, set, gone}, seen)
}

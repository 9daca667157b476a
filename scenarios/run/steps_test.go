package run

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

// shopOf is the catalog, rendered.
func shopOf(t *testing.T) []workloads.Rendered {
	t.Helper()
	r, err := workloads.Render("shop", scenarios.Namespace, &shop.Spec{Services: []string{"catalog"}, Replicas: map[string]int{"catalog": 3}}, nil)
	require.NoError(t, err)
	return []workloads.Rendered{r}
}

// scaleTo, annotate and deleteOf are a step of each verb, on the catalog.
func scaleTo(n int) scenarios.Step {
	return scenarios.Step{Scale: &scenarios.Scale{Workload: "catalog", Replicas: n}}
}

func annotate(value string) scenarios.Step {
	return scenarios.Step{Patch: &scenarios.Change{
		Target: workloads.PatchTarget{Kind: "Service", Name: "catalog"},
		Patch:  map[string]any{"metadata": map[string]any{"annotations": map[string]any{"note": value}}},
	}}
}

func deleteOf(kind string) scenarios.Step {
	return scenarios.Step{Delete: &workloads.PatchTarget{Kind: kind, Name: "catalog"}}
}

// lazyAPI is a fake API with the rendered objects in it, each with a version
// that patches raise; controllers never see a new generation.
func lazyAPI(t *testing.T, rendered []workloads.Rendered) *dynamicfake.FakeDynamicClient {
	t.Helper()
	var objects []runtime.Object
	for _, o := range rendered[0].Objects {
		o := o.DeepCopy()
		o.SetUID("uid-1")
		o.SetResourceVersion("1")
		if o.GetKind() == "Deployment" {
			o.SetGeneration(1)
			require.NoError(t, unstructured.SetNestedField(o.Object, int64(1), "status", "observedGeneration"))
		}
		objects = append(objects, o)
	}
	client := dynamicfake.NewSimpleDynamicClient(scheme.Scheme, objects...)
	client.PrependReactor("patch", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		p := a.(clienttesting.PatchAction)
		found, err := client.Tracker().Get(p.GetResource(), p.GetNamespace(), p.GetName())
		if err != nil {
			return true, nil, err
		}
		o := found.(*unstructured.Unstructured).DeepCopy()
		var asked unstructured.Unstructured
		if err := json.Unmarshal(p.GetPatch(), &asked.Object); err != nil {
			return true, nil, err
		}
		if asked.GetResourceVersion() != o.GetResourceVersion() {
			return true, nil, apierrors.NewConflict(p.GetResource().GroupResource(), p.GetName(), errors.New("it has another version"))
		}
		if !strings.Contains(string(p.GetPatch()), `"spec":{"replicas":3}`) { // what it is anyway
			o.SetResourceVersion(o.GetResourceVersion() + "1")
			o.SetGeneration(o.GetGeneration() + 1)
		}
		return true, o, client.Tracker().Update(p.GetResource(), o, p.GetNamespace())
	})
	return client
}

// done does a step and proves it, within some seconds.
func done(t *testing.T, client dynamic.Interface, step scenarios.Step) (evidence string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	a, err := newAPIStep(client, objectsOf(shopOf(t)), step)
	require.NoError(t, err)
	assert.Equal(t, chaos.Instant, a.Class())
	_, early := a.Prove(ctx, chaos.Env{}, nil)
	require.ErrorContains(t, early, "it was not asked for", "no injection, no proof")
	if err := a.Inject(ctx, chaos.Env{}, nil); err != nil {
		return "", err
	}
	return a.Prove(ctx, chaos.Env{}, nil)
}

func TestStepsNeedTheAPIsWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := lazyAPI(t, shopOf(t))
		evidence, err := done(t, client, annotate("new"))
		require.NoError(t, err)
		assert.Equal(t, "Service/catalog: it is changed, after 0s", evidence)

		_, err = done(t, client, scaleTo(3))
		require.ErrorContains(t, err, "it changed nothing: Deployment/catalog was so before")

		_, err = done(t, client, scaleTo(5))
		require.ErrorContains(t, err, "Deployment/catalog: its controller has seen its generation 1, and not yet 2")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		evidence, err = done(t, client, deleteOf("Service"))
		require.NoError(t, err)
		assert.Equal(t, "Service/catalog: it is gone, after 0s", evidence)
		_, err = done(t, client, deleteOf("Service"))
		require.ErrorContains(t, err, "cannot look at Service/catalog")

		client.PrependReactor("delete", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, nil // accepted, and a finalizer keeps it
		})
		_, err = done(t, client, deleteOf("Deployment"))
		require.ErrorContains(t, err, "Deployment/catalog: it is still there")

		_, err = newAPIStep(client, objectsOf(shopOf(t)), scenarios.Step{Delete: &workloads.PatchTarget{Kind: "Service", Name: "cart"}})
		require.ErrorContains(t, err, "no workload rendered Service/cart")
	})
}

// A controller that writes between the look at an object and its change hides
// neither that the change is made nor that it changes nothing.
func TestStepsBesideControllers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := lazyAPI(t, shopOf(t))
		writes := 3
		client.PrependReactor("get", "deployments", func(a clienttesting.Action) (bool, runtime.Object, error) {
			g := a.(clienttesting.GetAction)
			found, err := client.Tracker().Get(g.GetResource(), g.GetNamespace(), g.GetName())
			if err != nil || writes == 0 {
				return true, found, err
			}
			writes--
			later := found.(*unstructured.Unstructured).DeepCopy()
			later.SetResourceVersion(later.GetResourceVersion() + "2")
			return true, found, client.Tracker().Update(g.GetResource(), later, g.GetNamespace())
		})
		_, err := done(t, client, scaleTo(3))
		require.ErrorContains(t, err, "it changed nothing: Deployment/catalog was so before")
		assert.Zero(t, writes)
	})
}

// testSteps does a step of each verb on real Kubernetes.
func testSteps(ctx context.Context, t *testing.T, config *rest.Config, client kubernetes.Interface) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // as a run has it; the client's own brake would delay the steps
	api, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	evidence, err := done(t, api, scaleTo(4))
	require.NoError(t, err)
	assert.Contains(t, evidence, "Deployment/catalog: it is changed, and its controller has seen its generation ")
	d, err := client.AppsV1().Deployments(scenarios.Namespace).Get(ctx, "catalog", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, int32(4), *d.Spec.Replicas)
	_, err = done(t, api, scaleTo(4))
	require.ErrorContains(t, err, "it changed nothing")

	evidence, err = done(t, api, annotate("new"))
	require.NoError(t, err)
	assert.Contains(t, evidence, "Service/catalog: it is changed, after ")

	for _, step := range []scenarios.Step{
		{Rollout: &scenarios.Rollout{Workload: "catalog", Env: map[string]string{"SHOP_VERSION": "v2"}}},
		{Rollback: &scenarios.Rollback{Workload: "catalog"}},
	} {
		evidence, err = done(t, api, step)
		require.NoError(t, err)
		assert.Contains(t, evidence, "and its controller has seen its generation ")
		d, err = client.AppsV1().Deployments(scenarios.Namespace).Get(ctx, "catalog", metav1.GetOptions{})
		require.NoError(t, err)
		has := slices.ContainsFunc(d.Spec.Template.Spec.Containers[0].Env, func(e corev1.EnvVar) bool { return e.Name == "SHOP_VERSION" })
		assert.Equal(t, step.Rollout != nil, has, "what was rolled out is rolled back")
	}

	evidence, err = applied(t, api, manifestsOf("settings", "a"), nil)
	require.NoError(t, err)
	assert.Contains(t, evidence, "ConfigMap/settings is there")
	evidence, err = applied(t, api, manifestsOf("settings", "b"), nil)
	require.NoError(t, err)
	assert.Contains(t, evidence, "ConfigMap/settings is changed")
	_, err = applied(t, api, manifestsOf("settings", "b"), nil)
	require.ErrorContains(t, err, "it changed nothing")

	evidence, err = done(t, api, deleteOf("Deployment"))
	require.NoError(t, err)
	assert.Contains(t, evidence, "Deployment/catalog: it is gone, after ")
	_, err = client.AppsV1().Deployments(scenarios.Namespace).Get(ctx, "catalog", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
}

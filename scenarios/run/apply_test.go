package run

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

// manifestsOf are objects of one step, each a name and a text that it holds.
func manifestsOf(pairs ...string) scenarios.Apply {
	var a scenarios.Apply
	for i := 0; i < len(pairs); i += 2 {
		a.Manifests = append(a.Manifests, map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": pairs[i]}, "data": map[string]any{"text": pairs[i+1]},
		})
	}
	return a
}

// applying is an API with the ConfigMap "old" in it, that keeps what is applied, with
// a version that changes when it does; it refuses one named "bad".
func applying(t *testing.T) *dynamicfake.FakeDynamicClient {
	t.Helper()
	old, err := manifestsOf("old", "as it was").Objects()
	require.NoError(t, err)
	old[0].SetResourceVersion("1")
	old[0].SetUID("uid-old")
	client := dynamicfake.NewSimpleDynamicClient(scheme.Scheme, old[0])
	client.PrependReactor("patch", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		p := a.(clienttesting.PatchAction)
		asked := &unstructured.Unstructured{}
		if err := asked.UnmarshalJSON(p.GetPatch()); err != nil {
			return true, nil, err
		}
		if p.GetName() == "bad" {
			return true, nil, errors.New("denied")
		}
		was, err := client.Tracker().Get(p.GetResource(), p.GetNamespace(), p.GetName())
		if apierrors.IsNotFound(err) {
			asked.SetResourceVersion("1")
			asked.SetUID("uid-" + asked.GetUID())
			return true, asked, client.Tracker().Create(p.GetResource(), asked, p.GetNamespace())
		}
		had := was.(*unstructured.Unstructured)
		asked.SetUID(had.GetUID())
		asked.SetResourceVersion(had.GetResourceVersion())
		if text, _, _ := unstructured.NestedString(had.Object, "data", "text"); text != asked.Object["data"].(map[string]any)["text"] {
			asked.SetResourceVersion(had.GetResourceVersion() + "1")
		}
		return true, asked, client.Tracker().Update(p.GetResource(), asked, p.GetNamespace())
	})
	return client
}

func applied(t *testing.T, client dynamic.Interface, a scenarios.Apply, between func()) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	objects, err := a.Objects()
	require.NoError(t, err)
	step, err := newApplyStep(client, objects)
	require.NoError(t, err)
	_, early := step.Prove(ctx, chaos.Env{}, nil)
	require.ErrorContains(t, early, "it was not asked for", "no injection, no proof")
	if err := step.Inject(ctx, chaos.Env{}, nil); err != nil {
		return "", err
	}
	if between != nil {
		between()
	}
	return step.Prove(ctx, chaos.Env{}, nil)
}

func TestApplyIsShownByTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := applying(t)
		evidence, err := applied(t, client, manifestsOf("old", "as it was", "new", "a"), nil)
		require.NoError(t, err)
		assert.Equal(t, "ConfigMap/old is as it was, ConfigMap/new is there, after 0s", evidence)
		evidence, err = applied(t, client, manifestsOf("new", "b"), nil)
		require.NoError(t, err)
		assert.Equal(t, "ConfigMap/new is changed, after 0s", evidence)
		_, err = applied(t, client, manifestsOf("old", "as it was", "new", "b"), nil)
		require.ErrorContains(t, err, "it changed nothing: ConfigMap/old, ConfigMap/new was so before")
		_, err = applied(t, client, manifestsOf("old", "other", "bad", "x"), nil)
		require.ErrorContains(t, err, "the API refused ConfigMap/bad (applied before it: ConfigMap/old, nothing else): denied")
		_, err = applied(t, client, manifestsOf("new", "c"), func() {
			require.NoError(t, client.Tracker().Delete(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, scenarios.Namespace, "new"))
		})
		require.ErrorContains(t, err, "ConfigMap/new: it is gone")
	})
}

func TestApplyNotesTheOneRolloutThatItBegins(t *testing.T) {
	part := func(kind, name string, generation int64, before *unstructured.Unstructured) *appliedPart {
		o := &unstructured.Unstructured{}
		o.SetKind(kind)
		o.SetName(name)
		after := o.DeepCopy()
		after.SetGeneration(generation)
		after.SetUID("u")
		after.SetResourceVersion("2")
		return &appliedPart{object: o, before: before, after: after}
	}
	noted := func(parts ...*appliedPart) *reports.Changed {
		e := reports.EventEntry{Stage: reports.StageBitten}
		(&applyStep{parts: parts}).annotate(&e)
		return e.Changed
	}
	fresh, service := part("StatefulSet", "a", 1, nil), part("Service", "b", 0, nil)
	same := part("Deployment", "c", 3, part("Deployment", "c", 3, nil).after)
	assert.Equal(t, &reports.Changed{Object: "StatefulSet/a", UID: "u", Generation: 1}, noted(service, fresh, same))
	assert.Nil(t, noted(service, same))
	assert.Nil(t, noted(fresh, part("Deployment", "d", 1, nil)), "which of the two?")
}

package workloads

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// updating says whether golden files are rewritten instead of compared.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	flag.Parse()
	os.Exit(m.Run())
}

// render renders the shop in namespace "pod-kill".
func render(t *testing.T, spec shop.Spec, patches ...Patch) Rendered {
	t.Helper()
	require.Empty(t, spec.Validate())
	r, err := Render("shop", "pod-kill", &spec, patches)
	require.NoError(t, err)
	return r
}

// shopSpec is the shop of the main scenario.
func shopSpec() shop.Spec {
	return shop.Spec{Services: []string{"gateway", "catalog"}, Replicas: map[string]int{"catalog": 3}}
}

func TestRenderedObjects(t *testing.T) {
	off := false
	bare := shopSpec()
	bare.Bare, bare.Drain = []string{"catalog"}, &off
	mutual := shopSpec()
	mutual.TLS = shop.TLSMutual
	scaled := shopSpec()
	scaled.Cost = map[string]time.Duration{"catalog": 4 * time.Millisecond}
	scaled.Autoscale = map[string]shop.Autoscale{"catalog": {Min: 3, Max: 6, CPU: 60, ScaleDownWindow: new(10 * time.Second)}}
	for name, spec := range map[string]shop.Spec{"shop": shopSpec(), "bare": bare, "mutual": mutual, "autoscale": scaled} {
		var got bytes.Buffer
		for _, object := range render(t, spec).Objects {
			text, err := yaml.Marshal(object.Object)
			require.NoError(t, err)
			got.WriteString("---\n")
			got.Write(text)
		}
		path := filepath.Join("testdata", name+".golden")
		if updating() {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, got.Bytes(), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got.String(), "run with -update to accept")
	}
}

func TestRoles(t *testing.T) {
	labels := map[string]string{"app": "catalog", "app.kubernetes.io/part-of": "shop"}
	podLabels := map[string]string{"app": "catalog", "app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "squall"}

	roles := render(t, shopSpec()).Roles
	require.Len(t, roles, 2)
	assert.Equal(t, "gateway", roles[0].Name)
	assert.Equal(t, 1, roles[0].Desired)
	assert.Equal(t, Role{
		Name: "catalog", Namespace: "pod-kill", Labels: labels, PodLabels: podLabels, Desired: 3, Controller: "Deployment",
	}, roles[1])

	bare := shopSpec()
	bare.Bare = []string{"catalog"}
	roles = render(t, bare).Roles
	require.Len(t, roles, 2)
	assert.Equal(t, Role{
		Name: "catalog", Namespace: "pod-kill", Labels: labels, PodLabels: podLabels, Desired: 3,
		Names: []string{"catalog-0", "catalog-1", "catalog-2"},
	}, roles[1])
}

func TestStatefulSetsAreRoles(t *testing.T) {
	objects := render(t, shopSpec()).Objects
	set := objects[5].DeepCopy()
	set.SetKind("StatefulSet")
	roles, err := rolesOf(append(objects[:5:5], set))
	require.NoError(t, err)
	require.Len(t, roles, 2)
	want := render(t, shopSpec()).Roles[1]
	want.Controller = "StatefulSet"
	assert.Equal(t, want, roles[1])
	resource, err := Resource(set)
	require.NoError(t, err)
	assert.Equal(t, "apps/v1, Resource=statefulsets", resource.String())

	unstructured.RemoveNestedField(set.Object, "spec", "selector")
	_, err = rolesOf([]*unstructured.Unstructured{set})
	assert.EqualError(t, err, `StatefulSet "catalog" has no spec.selector.matchLabels to find its pods by`)
}

// patch is a patch of the catalog's Deployment.
func patch(change map[string]any) Patch {
	return Patch{Name: "p", Target: PatchTarget{Kind: "Deployment", Name: "catalog"}, Patch: change}
}

func TestPatchesChangeObjectsAndRoles(t *testing.T) {
	on, off := true, false
	disabled := patch(map[string]any{"spec": map[string]any{"replicas": 9}})
	disabled.Enabled = &off
	noProbe := patch(map[string]any{"spec": map[string]any{
		"replicas": 2, "strategy": map[string]any{"type": "Recreate"},
		"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{"a": "b"}}, "spec": map[string]any{"topologySpreadConstraints": nil}},
	}})
	noProbe.Enabled = &on
	r := render(t, shopSpec(), noProbe, disabled)
	role := r.Roles[1]
	assert.Equal(t, 2, role.Desired)
	assert.Equal(t, map[string]string{"a": "b"}, role.PodAnnotations)
	spec := r.Objects[5].Object["spec"].(map[string]any)
	assert.Equal(t, map[string]any{"type": "Recreate"}, spec["strategy"])
	pod := spec["template"].(map[string]any)["spec"].(map[string]any)
	assert.NotContains(t, pod, "topologySpreadConstraints")
	assert.Contains(t, pod, "containers", "what is not named stays")
}

func TestBadPatches(t *testing.T) {
	absent := patch(map[string]any{})
	absent.Target.Name = "catalogue"
	cases := map[string]Patch{
		"there is no Deployment/catalogue; the objects are Namespace/pod-kill, ServiceAccount/shop, Service/gateway, Service/catalog, Deployment/gateway, Deployment/catalog": absent,
		"may not change":               patch(map[string]any{"metadata": map[string]any{"name": "x"}}),
		`unknown field "spec.replica"`: patch(map[string]any{"spec": map[string]any{"replica": 1}}),
		"is not valid":                 patch(map[string]any{"spec": map[string]any{"replicas": "three"}}),
		"is not a Kubernetes object":   patch(map[string]any{"kind": nil}),
		"write it as JSON":             patch(map[string]any{"spec": map[any]any{1: 2}}),
		"no spec.selector.matchLabels": patch(map[string]any{"spec": map[string]any{"selector": nil}}),
	}
	for want, p := range cases {
		spec := shopSpec()
		_, err := Render("shop", "pod-kill", &spec, []Patch{p})
		assert.ErrorContains(t, err, want)
	}
	spec := shopSpec()
	_, err := Render("shop", "pod-kill", &spec, []Patch{absent, patch(map[string]any{"kind": nil})})
	require.ErrorContains(t, err, "there is no")
	require.ErrorContains(t, err, "not a Kubernetes object", "all in one pass")
	_, err = Render("my shop", "pod-kill", &spec, nil)
	require.ErrorContains(t, err, `"my shop" cannot name Kubernetes objects`)
}

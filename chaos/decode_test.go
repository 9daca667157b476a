package chaos_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"squall/chaos"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const podKill = `{"kind":"PodChaos","spec":{"action":"pod-kill","mode":"one","selector":{"labelSelectors":{"app":"catalog"}}}}`

const powerOff = `{"kind":"NodeChaos","spec":{"action":"power-off","mode":"one","duration":"30s","selector":{"roles":["worker"]}}}`

// decode reads a fault that must be sound.
func decode(t *testing.T, raw string) *chaos.Object {
	t.Helper()
	object, err := chaos.Decode([]byte(raw))
	require.NoError(t, err)
	return object
}

// findingsOf reads a fault that must be refused.
func findingsOf(t *testing.T, raw string) []chaos.Finding {
	t.Helper()
	_, err := chaos.Decode([]byte(raw))
	var invalid *chaos.InvalidError
	require.ErrorAs(t, err, &invalid)
	return invalid.Findings
}

// TestDecodeRefuses holds the findings for every file of testdata/bad against
// the golden file beside it.
func TestDecodeRefuses(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = chaos.Decode(raw)
			var invalid *chaos.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Findings)
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), invalid.Error()+"\n")
		})
	}
}

func TestDecodeFillsIn(t *testing.T) {
	bare := decode(t, podKill)
	assert.Equal(t, "PodChaos pod-kill", bare.Describe())
	assert.Zero(t, bare.Duration())
	assert.JSONEq(t, `{"apiVersion":"chaos-mesh.org/v1alpha1","kind":"PodChaos","metadata":{},
		"spec":{"action":"pod-kill","mode":"one","selector":{"labelSelectors":{"app":"catalog"}}}}`, string(bare.Raw))

	placed := bare.In("squall")
	assert.JSONEq(t, `{"apiVersion":"chaos-mesh.org/v1alpha1","kind":"PodChaos","metadata":{"namespace":"squall"},
		"spec":{"action":"pod-kill","mode":"one","selector":{"namespaces":["squall"],"labelSelectors":{"app":"catalog"}}}}`, string(placed.Raw))
	assert.NotContains(t, string(bare.Raw), "namespace", "In leaves the object it is called on as it was")
	assert.Same(t, placed, placed.In("elsewhere"), "a namespace that is there stays")

	for _, o := range []*chaos.Object{bare, placed} {
		assert.Equal(t, string(o.Raw), string(decode(t, string(o.Raw)).Raw))
	}
}

// TestDecodeTakesWhatAServerWrote reads an object as kubectl get prints it.
func TestDecodeTakesWhatAServerWrote(t *testing.T) {
	object := decode(t, `{"apiVersion":"chaos-mesh.org/v1alpha1","kind":"PodChaos","metadata":{"name":"kill","namespace":"shop",
		"uid":"1","resourceVersion":"2","creationTimestamp":"2026-01-01T00:00:00Z","finalizers":["chaos-mesh/records"]},
		"spec":{"action":"pod-kill","mode":"one","gracePeriod":3,"selector":{"namespaces":["shop"]}},
		"status":{"experiment":{"desiredPhase":"Run"}}}`)
	assert.JSONEq(t, `{"apiVersion":"chaos-mesh.org/v1alpha1","kind":"PodChaos","metadata":{"name":"kill","namespace":"shop"},
		"spec":{"action":"pod-kill","mode":"one","gracePeriod":3,"selector":{"namespaces":["shop"]}}}`, string(object.Raw))
}

// TestChaosMeshJudges shows that the Default and Validate of Chaos Mesh itself
// run: the words are theirs and stand nowhere in this package.
func TestChaosMeshJudges(t *testing.T) {
	found := findingsOf(t, strings.Replace(podKill, `"one"`, `"fixed","value":"0"`, 1))
	assert.Equal(t, []chaos.Finding{{
		Path:    "spec.value",
		Message: `Invalid value: "0": value must be greater than 0 with mode:fixed`,
	}}, found)

	named := decode(t, strings.Replace(podKill, `"spec"`, `"metadata":{"namespace":"shop"},"spec"`, 1))
	assert.Contains(t, string(named.Raw), `"namespaces":["shop"]`)
}

// TestEveryKindIsKnown holds the refusals against all kinds that Chaos Mesh
// registers, so that an update of it cannot add one unseen.
func TestEveryKindIsKnown(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	kinds := 0
	for kind, goType := range scheme.KnownTypes(v1alpha1.SchemeGroupVersion) {
		isList := strings.HasSuffix(kind, "List")
		isMeta := !strings.Contains(goType.PkgPath(), "chaos-mesh")
		if isList || isMeta || kind == "PodChaos" { // NodeChaos is not Chaos Mesh's
			continue
		}
		kinds++
		found := findingsOf(t, `{"kind":"`+kind+`"}`)
		require.Len(t, found, 1)
		assert.True(t, strings.HasPrefix(found[0].Message, kind+": "), "%s has no reason of its own: %s", kind, found[0].Message)
	}
	assert.Greater(t, kinds, 15)
}

// FuzzDecode looks for input that panics, that is refused without a finding,
// or that does not survive being written and read again.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.json")
	require.NoError(f, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add([]byte(podKill))
	f.Add([]byte(powerOff))
	f.Fuzz(func(t *testing.T, raw []byte) {
		object, err := chaos.Decode(raw)
		if err != nil {
			var invalid *chaos.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Findings)
			require.False(t, slices.ContainsFunc(invalid.Findings, func(f chaos.Finding) bool { return f.Message == "" }))
			return
		}
		placed := object.In("squall")
		again, err := chaos.Decode(placed.Raw)
		require.NoError(t, err)
		require.Equal(t, string(placed.Raw), string(again.Raw))
		fault, err := again.Fault()
		require.NoError(t, err)
		want := chaos.Instant
		if object.HitsNodes() {
			want = chaos.Held
		}
		require.Equal(t, want, fault.Class())
		require.LessOrEqual(t, object.Count(func(n int) int { return n - 1 }).Of(5), 5)
	})
}

// TestInvalidErrorIsAsked shows that a caller gets at the findings.
func TestInvalidErrorIsAsked(t *testing.T) {
	_, err := chaos.Decode([]byte(`{}`))
	var invalid *chaos.InvalidError
	require.True(t, errors.As(err, &invalid))
	assert.Equal(t, []chaos.Finding{{Path: "kind", Message: "must be given; allowed: PodChaos, NodeChaos"}}, invalid.Findings)
}

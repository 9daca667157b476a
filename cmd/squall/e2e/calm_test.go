package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// variant writes a variant of the small scenario: what is replaced, in pairs,
// and what is added at its end.
func variant(t *testing.T, added string, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/small.yaml")
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, string(text), pairs[i])
	}
	file := filepath.Join(t.TempDir(), "variant.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(text))+added), 0o644))
	return file
}

// The twin loses a replica. What breaks depends on the fault, or does not.
const (
	twoPods    = "    - {name: two pods, that: 'workload(\"catalog\").ready >= 2'}\n"
	oneReplica = "  twins:\n    - {name: one replica, patch: {'workloads[shop].shop.replicas.catalog': 1}, breaks: [%]}\n"
)

func calmFile(t *testing.T, breaks string) string {
	return variant(t, twoPods+strings.Replace(oneReplica, "%", breaks, 1), "fault: 4s, recovery: 8s", "fault: 1s, recovery: 1s")
}

func TestCalmControlFindsNothingAgainstAHonestTwin(t *testing.T) {
	stdout, _ := squall(t, 0, "run", calmFile(t, "few lost"), "--calm", "--runs", filepath.Join(t.TempDir(), "runs"))
	assert.NotContains(t, stdout, "proves nothing")
	assert.Equal(t, 2, strings.Count(stdout, "record: "), stdout)
}

func TestCalmControlNamesATwinThatProvesNothing(t *testing.T) {
	folder := t.TempDir()
	runs, inXML := filepath.Join(folder, "runs"), filepath.Join(folder, "v.xml")
	file := calmFile(t, "two pods")
	const says = `twin "one replica" proves nothing about "two pods"`
	stdout, _ := squall(t, 1, "run", file, "--calm", "--runs", runs, "--junit", inXML)
	assert.Contains(t, stdout, says)
	text, err := os.ReadFile(inXML)
	require.NoError(t, err)
	assert.Contains(t, string(text), "its patch alone breaks [two pods]")
	assert.Equal(t, 1, strings.Count(string(text), "<failure"), string(text))

	// Nothing changed: the results stand. A record that is gone is not named, and
	// the folder of results is no run.
	dirs := records(t, runs)
	require.Len(t, dirs, 2)
	require.NoError(t, os.RemoveAll(dirs[0]))
	stdout, stderr := squall(t, 1, "run", file, "--calm", "--runs", runs)
	assert.Contains(t, stdout, says)
	assert.Equal(t, 2, strings.Count(stderr, "unchanged since its calm run"), stderr)
	assert.Equal(t, 1, strings.Count(stdout, "record: "), stdout)
	shown, err := filepath.Glob(filepath.Join(runs, "[^.]*"))
	require.NoError(t, err)
	assert.Equal(t, dirs[1:], shown)
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"squall/cluster/embedded"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDoctorSaysTheSameInJSON(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	code, stdout, stderr := runApp(t, "doctor", "--json", "--cache", cache)
	assert.Empty(t, stderr)
	var d diagnosis
	require.NoError(t, json.Unmarshal([]byte(stdout), &d))
	assert.Equal(t, d.Ready, code == exitDone)
	assert.Equal(t, cache, d.Cache)
	assert.Contains(t, d.Components, "kubernetes")
	for _, f := range d.Needs {
		assert.Equal(t, os.Geteuid() != 0 && f.Unknown, f.Unknown, "%s: root can try everything: %s", f.What, f.Way)
	}

	text, textOut, _ := runApp(t, "doctor", "--cache", cache)
	assert.Equal(t, code, text)
	for _, facts := range [][]embedded.Fact{d.Needs, d.Kind, d.Abilities, d.Building} {
		require.NotEmpty(t, facts)
		for _, f := range facts {
			about, _, _ := strings.Cut(f.What, "(") // what is in brackets is measured
			assert.Contains(t, textOut, about)
		}
	}
	assert.Contains(t, textOut, "✗ compiled components\n      → squall build components", "the cache is empty")
	left, err := os.ReadDir(cache)
	require.NoError(t, err)
	assert.Empty(t, left, "it changes nothing")
}

func TestNoClusterWithoutComponentsOrGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	code, stdout, _ := runApp(t, "doctor", "--cache", t.TempDir())
	assert.Equal(t, exitInconclusive, code)
	assert.Contains(t, stdout, "no embedded cluster can be made")
	assert.NotContains(t, stdout, "all is here")
	assert.Contains(t, stdout, "✗ Go")

	here, lacks := embedded.Fact{OK: true}, embedded.Fact{}
	assert.True(t, ready([]embedded.Fact{here}, []embedded.Fact{here, lacks}), "compiled, no Go")
	assert.True(t, ready([]embedded.Fact{here}, []embedded.Fact{lacks, here}), "Go compiles them")
	assert.False(t, ready([]embedded.Fact{here}, []embedded.Fact{lacks, lacks}))
	assert.False(t, ready([]embedded.Fact{here, lacks}, []embedded.Fact{here, here}))
}

func TestFactsAreMarked(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := &cli{stdout: &out}
	c.listFacts("title:", []embedded.Fact{
		{What: "a", OK: true, Way: "never shown"}, {What: "b", For: "tests", Way: "make b"}, {What: "c", Unknown: true, Way: "ask"},
	})
	assert.Equal(t, "title:\n  ✓ a\n  ✗ b – tests\n      → make b\n  ? c\n      → ask\n", out.String())
}

func TestCleanCanBeTriedFirst(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		code, _, _ := runApp(t, "clean", "--dry-run")
		assert.Equal(t, exitInconclusive, code)
		return
	}
	cache := t.TempDir()
	half := filepath.Join(cache, "prepared", "0123.no-such-cluster.saving")
	require.NoError(t, os.MkdirAll(half, 0o700))
	code, stdout, _ := runApp(t, "clean", "--dry-run", "--cache", cache)
	assert.Zero(t, code)
	assert.Contains(t, stdout, "would remove half-written prepared state "+half)
	assert.DirExists(t, half)
	code, stdout, _ = runApp(t, "clean", "--cache", cache)
	assert.Zero(t, code)
	assert.Contains(t, stdout, "removed half-written prepared state "+half)
	assert.NoDirExists(t, half)
}

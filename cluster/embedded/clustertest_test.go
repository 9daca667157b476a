//go:build linux

package embedded

import (
	"flag"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"squall/cluster"
	"squall/cluster/clustertest"
	"squall/cluster/components"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The flags choose among the checks of the suite, which are not subtests until
// they have run: they share clusters, and more of them wait at once than
// go test would let run.
var (
	suiteOnly = flag.String("clustertest.only", "", "run only the checks whose names this regular expression fits")
	suiteLong = flag.Bool("clustertest.long", false, "run also the checks that are usually left out")
)

// suiteOptions are those that every run of the suite has here.
func suiteOptions(t *testing.T, prefix string) clustertest.Options {
	p := provider()
	tree, err := components.Builder{Dir: filepath.Join(p.cache, "components")}.Build(t.Context())
	require.NoError(t, err)
	return clustertest.Options{
		Provider: p,
		Prefix:   prefix,
		Cache:    p.cache,
		Kubectl:  tree.Path("kubectl"),
		Only:     regexp.MustCompile(*suiteOnly),
		Long:     *suiteLong,
		Log:      func(line string) { t.Log(line) },
	}
}

// TestSuite runs what every provider must pass.
func TestSuite(t *testing.T) {
	for _, r := range clustertest.Run(t.Context(), suiteOptions(t, "suite")) {
		t.Run(r.Check.Name, func(t *testing.T) { assert.NoError(t, r.Err, r.Check.Says) })
	}
	left, err := provider().Leftovers(t.Context())
	require.NoError(t, err)
	for _, l := range left {
		assert.NotContains(t, l, "suite-", "left by the suite's clusters")
	}
}

// TestSuiteCanFail runs the checks that need a part on a cluster that goes
// without it: each must fail, or it would prove nothing.
func TestSuiteCanFail(t *testing.T) {
	o := suiteOptions(t, "bare")
	o.Without = cluster.Parts()
	tried := 0
	for _, r := range clustertest.Run(t.Context(), o) {
		if len(r.Check.Needs) > 0 {
			tried++
			assert.Error(t, r.Err, "%s passes without %v", r.Check.Name, r.Check.Needs)
		}
	}
	assert.NotZero(t, tried, "no check that needs a part ran with -clustertest.only %q", *suiteOnly)
	for _, part := range cluster.Parts() {
		needs := func(c clustertest.Check) bool { return slices.Contains(c.Needs, part) }
		assert.True(t, slices.ContainsFunc(clustertest.Checks(), needs), "no check needs %s", part)
	}
}

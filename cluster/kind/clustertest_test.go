//go:build suite

package kind

import (
	"context"
	"flag"
	"path/filepath"
	"regexp"
	"testing"

	"squall/cluster"
	"squall/cluster/clustertest"
	"squall/cluster/components"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The flags choose among the checks of the suite, as those of the embedded
// provider's do.
var (
	suiteOnly = flag.String("clustertest.only", "", "run only the checks whose names this regular expression fits")
	suiteLong = flag.Bool("clustertest.long", false, "run also the checks that are usually left out")
)

// cannotHere is what they cannot do here.
func cannotHere(ctx context.Context) map[string]string {
	all := cannot()
	if checkBalancer(ctx, cluster.Spec{ControlPlanes: 3}) == nil {
		delete(all, "making/three control planes")
	}
	return all
}

// TestSuite runs what every provider must pass.
func TestSuite(t *testing.T) {
	cache := cacheDir()
	tree, err := components.Builder{Dir: filepath.Join(cache, "components")}.Build(t.Context())
	require.NoError(t, err)
	p := New(cache)
	for _, r := range clustertest.Run(t.Context(), clustertest.Options{
		Provider: p, Prefix: "ksuite", Cache: cache, Kubectl: tree.Path("kubectl"), Cannot: cannotHere(t.Context()),
		AtOnce: 4, // a node has systemd and starts containers through it
		Only:   regexp.MustCompile(*suiteOnly), Long: *suiteLong, Log: func(line string) { t.Log(line) },
	}) {
		t.Run(r.Check.Name, func(t *testing.T) { assert.NoError(t, r.Err, r.Check.Says) })
	}
	left, err := p.Leftovers(t.Context())
	require.NoError(t, err)
	for _, l := range left {
		assert.NotContains(t, l, "ksuite-", "left by the suite's clusters")
	}
}

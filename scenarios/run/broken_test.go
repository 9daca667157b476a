package run

import (
	"context"
	"strings"
	"testing"

	"squall/reports"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWorkloadThatDoesNotComeUp(t *testing.T) {
	p := newProvider(t)
	o, s := options(t, p, &screen{}), podKill(t, "{warmup: 1s, steady: 1s, fault: 3s, recovery: 4s}")
	s.Spec.Workloads[0].Patches = []workloads.Patch{{
		Name: "no such image", Target: workloads.PatchTarget{Kind: "Deployment", Name: "catalog"},
		Patch: map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "shop", "image": "squall.local/absent:v1", "imagePullPolicy": "Never"},
		}}}}},
	}}
	dir, v, err := Run(within(t), s, o)
	require.NoError(t, err)
	p.requireNothingLeft(t)
	requireNoProcess(t, o.Traffic[2])
	rec := open(t, s, dir, v)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	reasons := strings.Join(v.Reasons, "\n")
	assert.Contains(t, reasons, `environment: workload "shop" does not come up`)
	assert.Contains(t, reasons, `has no image "squall.local/absent:v1"`)
	names, _ := phasesOf(rec)
	assert.Equal(t, []string{"up", "deploy", "down"}, names)
	for _, e := range rec.Entries {
		assert.NotEqual(t, reports.KindLoad, e.Kind, "no load was sent, so there is none to close")
	}
}

func TestClusterThatDies(t *testing.T) {
	p := newProvider(t)
	o := options(t, p, &screen{text: "hits catalog", seen: func() {
		go func() { assert.NoError(t, p.Remove(context.Background(), p.names[0])) }()
	}})
	s := podKill(t, "{warmup: 1s, steady: 1s, fault: 60s, recovery: 4s}")
	dir, v, err := Run(within(t), s, o)
	require.NoError(t, err)
	p.requireNothingLeft(t)
	rec := open(t, s, dir, v)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	assert.Contains(t, strings.Join(v.Reasons, "\n"), "environment: the cluster \""+p.names[0]+"\" ended in the middle of the run")
	_, at := phasesOf(rec)
	assert.Less(t, (at["down"] - at["fault"]).Seconds(), 10.0)
}

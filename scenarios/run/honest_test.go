package run

import (
	"strings"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/sample"
	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shaped is a scenario with a load that ramps, pauses and spikes, to two
// targets, told apart by what answered.
const shaped = `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: shaped}
spec:
  workloads: [{name: shop, shop: {services: [gateway, catalog], replicas: {gateway: 2}}}]
  load:
    - name: browse
      targets:
        - {name: list, weight: 4, service: gateway, port: http, path: /catalog, headers: {X-User: 'u${int(1,9)}'}}
        - {name: direct, service: catalog, port: http, path: /catalog, headers: {X-Key: '${hex(8)}'}}
      rate: [{until: fault+0s, at: 50/s}, {until: fault+2s, to: 150/s}, {until: fault+3s, at: 0/s}, {until: recovery+1s, at: 300/s}, {at: 40/s}]
      good: {within: 1s}
      by: {version: header/X-Version, pod: header/X-Instance}
  phases: {warmup: 2s, steady: 2s, fault: 4s, recovery: 15s}
  expect:
    - {name: nothing lost, that: 'run.lost == 0'}
    - {name: as planned, that: 'fault.requests == 500'}
    - {name: one version, that: 'fault.by("version", "v1").requests == fault.requests'}
    - {name: both targets, that: 'fault.target("list").requests + fault.target("direct").requests == fault.requests && fault.target("direct").requests > 50'}
`

func TestLoadIsWhatTheScenarioSays(t *testing.T) {
	f, err := scenarios.Parse("shaped.yaml", []byte(shaped), scenarios.WithChecker(judge.Check))
	require.NoError(t, err)
	p, s := newProvider(t), f.Scenario
	dir, v, err := Run(within(t), s, options(t, p, &screen{}))
	require.NoError(t, err)
	p.requireNothingLeft(t)
	require.Equal(t, reports.Pass, v.Outcome, "%v", v.Reasons)
	rec := open(t, s, dir, v)
	curve, err := schedule.New(s.Spec.Phases.Legs(s.Spec.Load[0].Rate))
	require.NoError(t, err)
	_, at := phasesOf(rec)
	assert.GreaterOrEqual(t, at["quiet"]-at["recovery"], time.Second+hold+margin, "the last leg is waited for")
	assert.Less(t, at["quiet"]-at["recovery"], 10*time.Second)
	pods := map[string]int{}
	rec.EachRequest(func(_ string, one sample.Sample) {
		assert.Equal(t, at["warmup"]+curve.Due(one.Seq), one.Due)
		assert.Equal(t, one.Version, one.By["version"])
		pods[one.Target+" "+one.By["pod"]]++
	})
	// How many of the gateways answer hangs on how many connections there were.
	for pod := range pods {
		assert.True(t, strings.HasPrefix(pod, "list gateway-") || strings.HasPrefix(pod, "direct catalog-"), "each target has its own pods: %v", pods)
	}
	assert.GreaterOrEqual(t, len(pods), 2, "both targets were asked: %v", pods)
}

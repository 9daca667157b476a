package reports_test

import (
	"bytes"
	"testing"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAutoscalersAreTold(t *testing.T) {
	for want, m := range map[string]reports.AutoscalerMeasure{
		"  autoscaler catalog · 1 to 8 pods of Deployment/catalog · asked for 1, 5 at 41.2s (cpu 140% of 60%), 2 at 2m10s, and 3 more changes\n": {
			Name: "catalog", Target: "Deployment/catalog", Min: 1, Max: 8, More: 3,
			Asked: []reports.Asked{{At: 1, Pods: 1, By: "cpu 40% of 60%"}, {At: 41.2e9, Pods: 5, By: "cpu 140% of 60%"}, {At: 130e9, Pods: 2}},
		},
		"  autoscaler x\\x1b[2Jy · 2 to 3 pods of StatefulSet/store · never looked\n": {Name: "x\x1b[2Jy", Target: "StatefulSet/store", Min: 2, Max: 3},
	} {
		var out bytes.Buffer
		require.NoError(t, reports.Text(&out, []reports.Verdict{{Scenario: "s", Outcome: reports.Pass, Autoscalers: []reports.AutoscalerMeasure{m}}}, reports.TextOptions{}))
		assert.Contains(t, out.String(), want)
	}
}

func TestUsageIsTold(t *testing.T) {
	var out bytes.Buffer
	v := reports.Verdict{Scenario: "s", Outcome: reports.Pass, Usage: []reports.UsageMeasure{
		{Workload: "catalog", CPUMean: 0.125, CPUMost: 0.5, MemoryMax: 3 << 19}, {Workload: "gateway"},
	}}
	require.NoError(t, reports.Text(&out, []reports.Verdict{v}, reports.TextOptions{}))
	assert.Contains(t, out.String(), "  used · catalog 0.125 cores, at most 0.500 and 1.5 MiB · gateway 0.000 cores, at most 0.000 and 0.0 MiB\n")
}

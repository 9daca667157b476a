package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// uses writes a round in which a node tells what two pods of the catalog used.
func (t *tape) uses(at time.Duration, cores float64) {
	t.add(at, reports.Entry{Kind: reports.KindUsage, Usage: &reports.UsageEntry{Node: "worker-1", CPU: 2, Memory: 1 << 30, Pods: []reports.PodUsage{
		{Pod: "shop/catalog-b", Role: "catalog", CPU: cores, Memory: 1000}, {Pod: "shop/catalog-c", Role: "catalog", CPU: cores, Memory: 2000},
		{Pod: "shop/gateway-a", Role: "gateway", CPU: 1, Memory: 1},
	}}})
	t.add(at, reports.Entry{Kind: reports.KindUsage, Usage: &reports.UsageEntry{Node: "worker-2", Unread: "no answer within 2s"}})
}

func TestUsage(t *testing.T) {
	rec := soundRun()
	rec.uses(warmupAt-1, 9)
	rec.uses(faultAt+1, 0.25)
	rec.uses(20*sec, 0.75)
	rec.uses(recoveryAt, 0.5)
	rec.pod(recoveryAt+sec, "x", reports.PodEntry{Ready: true, Node: "worker-2"})
	rec.uses(30*sec, 9) // its node is silent
	rec.pod(31*sec, "x", reports.PodEntry{Node: "worker-2"})
	rec.uses(32*sec, 0.125)
	rec.uses(downAt+1, 9)
	for measure, want := range map[string]string{
		`workload("catalog").cpu.max`:               "1.5",
		`workload("catalog").cpu.mean`:              "0.8125",
		`fault.workload("catalog").cpu.mean`:        "1",
		`recovery.workload("catalog").cpu.max`:      "1",
		`fault.workload("catalog").memory.max`:      "3000",
		`fault.workload("gateway").cpu.max`:         "1",
		`event("kill").workload("catalog").cpu.max`: "1.5",
		`steady.workload("catalog").cpu.max`:        `absent: the record does not tell what workload "catalog" used in that time`,
	} {
		assert.Equal(t, want, value(t, rec, measure), measure)
	}
	assert.Equal(t, []reports.UsageMeasure{{Workload: "catalog", CPUMean: 0.8125, CPUMost: 1.5, MemoryMax: 3000}}, judge.Judge(podKill(), &rec.rec).Usage)
	assert.Empty(t, judge.Judge(podKill(), &soundRun().rec).Usage)
	f := finding(t, rec, `fault.workload("catalog").cpu.max <= 1`)
	assert.Equal(t, "workload catalog used at most 1.5 cores in fault, at most 1 was promised", f.Says)
	require.NotNil(t, f.Broke)
	assert.Equal(t, 20*sec, f.Broke.At)
	f = finding(t, rec, `workload("catalog").memory.mean < 2`)
	assert.Equal(t, "workload catalog used in the mean 3000 bytes of memory, less than 2 were promised", f.Says)
	assert.Nil(t, f.Broke, "a mean has no moment")
	assert.ErrorContains(t, judge.Check(podKill(), that("it", `workload("catalog").cpu.p99 < 1.0`)), `"p99" is not in a usage: it has max, mean`)
}

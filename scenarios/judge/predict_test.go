package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// timers has the cluster's timers recorded, those of pods of a workload included.
func (t *tape) timers(p reports.PodTimers) {
	t.add(steadyAt, reports.Entry{Kind: reports.KindTimers, Timers: &reports.TimersEntry{Pods: []reports.PodTimers{p}}})
}

// shown are a prediction's window and whether the measure lies in it.
func shown(p reports.Predicted) []any { return []any{p.Measure, p.Least, p.Most, p.Inside} }

func TestPredictedBesideMeasured(t *testing.T) {
	inside := soundRun()
	inside.timers(reports.PodTimers{Workload: "catalog", Controller: "ReplicaSet", Period: sec, Successes: 1})
	event := judge.Judge(podKill(example()...), &inside.rec).Events[0]
	require.Len(t, event.Predicted, 3, event.Unpredicted)
	assert.Equal(t, []any{"detected", 0 * sec, 1 * sec, true}, shown(event.Predicted[0]))
	assert.Equal(t, []any{"withdrawn", 0 * sec, 2 * sec, false}, shown(event.Predicted[1]))
	assert.Nil(t, event.Predicted[1].Measured, "the record has no endpoints")
	p := event.Predicted[2]
	assert.Equal(t, []any{"healed", 0 * sec, 5 * sec, true, 4 * sec}, []any{p.Measure, p.Least, p.Most, p.Inside, *p.Measured})
	assert.Len(t, p.Terms, 3)

	// A pod that starts longer than the run shows it cannot be what was measured.
	outside := soundRun()
	outside.timers(reports.PodTimers{Workload: "catalog", Controller: "ReplicaSet", Period: sec, Successes: 1, Start: 5 * sec})
	v := judge.Judge(podKill(example()...), &outside.rec)
	assert.False(t, v.Events[0].Predicted[2].Inside)
	assert.Equal(t, reports.Pass, v.Outcome, "a prediction is shown and not judged")

	never := soundRun()
	never.timers(reports.PodTimers{Workload: "catalog"})
	p = judge.Judge(podKill(example()...), &never.rec).Events[0].Predicted[2]
	assert.True(t, p.Never)
	assert.False(t, p.Inside)
	assert.Contains(t, p.Why, "no controller")
}

// TestPredictedOfANode predicts for the workloads whose pods were on the node, and
// for as long as it is off only.
func TestPredictedOfANode(t *testing.T) {
	lost := func(undone time.Duration) reports.EventMeasure {
		rec := lostNode(killAt + 8*sec)
		for i := range rec.rec.Entries {
			if e := rec.rec.Entries[i].Event; e != nil {
				e.Fault, e.Lasting = "NodeChaos power-off", true
			}
		}
		rec.add(undone, reports.Entry{Kind: reports.KindEvent, Event: &reports.EventEntry{Name: "kill", Stage: reports.StageUndone, Lasting: true}})
		tolerated := 15 * sec
		rec.add(steadyAt, reports.Entry{Kind: reports.KindTimers, Timers: &reports.TimersEntry{
			Flags: map[string]map[string]string{"kube-controller-manager": {
				"node-monitor-grace-period": "10s", "node-monitor-period": "1s", "node-eviction-rate": "2"}},
			Kubelets: []reports.KubeletTimers{{Node: "worker-1", Lease: 8 * sec}, {Node: "worker-2", Lease: 8 * sec}},
			Pods:     []reports.PodTimers{{Workload: "catalog", Controller: "ReplicaSet", Period: sec, Successes: 1, NotReady: &tolerated, Unreachable: &tolerated}},
		}})
		return judge.Judge(podKill(example()...), &rec.rec).Events[0]
	}
	event := lost(killAt + 60*sec)
	measured := map[string]time.Duration{}
	for _, p := range event.Predicted {
		if p.Measured != nil {
			measured[p.Measure] = *p.Measured
			assert.True(t, p.Inside, "%s: %s to %s", p.Measure, p.Least, p.Most)
		}
	}
	assert.Equal(t, map[string]time.Duration{"detected": 8 * sec, "healed": 24 * sec}, measured, event.Unpredicted)
	for _, p := range lost(killAt + 20*sec).Predicted {
		assert.NotEqual(t, "healed", p.Measure, "the node is back before its pods are moved")
	}
}

func TestNothingPredictedSaysWhy(t *testing.T) {
	old := soundRun()
	event := judge.Judge(podKill(example()...), &old.rec).Events[0]
	assert.Empty(t, event.Predicted)
	assert.Empty(t, event.Unpredicted, "it is as it was judged before timers were read")

	missing := soundRun()
	missing.timers(reports.PodTimers{Workload: "gateway"})
	missing.rec.Entries[len(missing.rec.Entries)-1].Timers.Missing = []string{"the pods: no answer"}
	event = judge.Judge(podKill(example()...), &missing.rec).Events[0]
	assert.Empty(t, event.Predicted)
	assert.Contains(t, event.Unpredicted, `workload "catalog" were not read; the pods: no answer`)
}

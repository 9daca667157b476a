package judge_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The expectations of design.md's example.
func example() []scenarios.Expectation {
	return []scenarios.Expectation{
		that("users barely notice", "fault.lost <= 100"),
		that("healed", `event("kill").healed <= duration("15s")`),
		that("replicas are back", `workload("catalog").ready == workload("catalog").desired`),
	}
}

func TestASoundRunPasses(t *testing.T) {
	v := judge.Judge(podKill(example()...), &soundRun().rec)
	require.Equal(t, reports.Pass, v.Outcome, v.Reasons)
	assert.Empty(t, v.Reasons)
	assert.Equal(t, "P02", v.Promise)
	assert.Equal(t, "v1.36.3", v.Kubernetes)
	assert.Equal(t, "an-image", v.NodeImage)
	assert.Equal(t, "stock", v.Timers)
	assert.Equal(t, uint64(7), v.Seed)
	assert.Equal(t, downAt+sec, v.Took)
	assert.Nil(t, v.Designed)
	require.Len(t, v.Steady, 1, "the default")
	assert.Equal(t, "steady.lost == 0", v.Steady[0].That)
	require.Len(t, v.Windows, 4)
	assert.Equal(t, reports.WindowMeasure{
		Window: "fault", Load: "browse", From: faultAt, To: recoveryAt, Requests: 1000, Good: 1000,
		Availability: 1, P50: 5 * ms, P90: 5 * ms, P99: 5 * ms, Max: 5 * ms,
	}, v.Windows[1])
	require.Len(t, v.Events, 1)
	assert.True(t, v.Events[0].Bitten)
	assert.Equal(t, "detail of bitten", v.Events[0].Evidence)
	assert.Equal(t, 4*sec, *v.Events[0].Healed)
	assert.Equal(t, time.Duration(0), *v.Events[0].Recovery)
}

// Each rule by which a run is no pass, although every expectation holds.
func TestWhatRulesOutAPass(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *scenarios.Scenario, t *tape)
		want   reports.Outcome
		reason string
	}{
		"internal trouble": {func(_ *scenarios.Scenario, t *tape) { t.trouble(reports.TroubleInternal) },
			reports.Error, "something happened"},
		"internal beside other trouble": {func(_ *scenarios.Scenario, t *tape) {
			t.trouble(reports.TroubleEnvironment)
			t.trouble(reports.TroubleInternal)
		}, reports.Error, "something happened"},
		"environment": {func(_ *scenarios.Scenario, t *tape) { t.trouble(reports.TroubleEnvironment) },
			reports.Inconclusive, "environment: something happened"},
		"generator": {func(_ *scenarios.Scenario, t *tape) { t.trouble(reports.TroubleGenerator) },
			reports.Inconclusive, "generator: something happened"},
		"interrupted": {func(_ *scenarios.Scenario, t *tape) { t.trouble(reports.TroubleInterrupted) },
			reports.Inconclusive, "interrupted: something happened"},
		"trouble of another class": {func(_ *scenarios.Scenario, t *tape) { t.trouble("odd") },
			reports.Error, `the record has trouble of an unknown class "odd": something happened`},
		"truncated": {func(_ *scenarios.Scenario, t *tape) { t.rec.Truncated = true },
			reports.Inconclusive, "the record is cut off in the middle of a line"},
		"no end": {func(_ *scenarios.Scenario, t *tape) { t.drop(func(e reports.Entry) bool { return e.End != nil }) },
			reports.Inconclusive, "the record has no end: the run was killed"},
		"flags": {func(_ *scenarios.Scenario, t *tape) { t.rec.Header.Flags = []string{"no-fault"} },
			reports.Inconclusive, "debug switches were on: no-fault"},
		"a phase is missing": {func(_ *scenarios.Scenario, t *tape) { t.dropPhase("recovery", "quiet", "down") },
			reports.Inconclusive, `the run did not get to its phase "recovery"`},
		"a phase is skipped": {func(_ *scenarios.Scenario, t *tape) { t.dropPhase("recovery") },
			reports.Error, `the record contradicts itself: phase "quiet" began without, or before, phase "recovery"`},
		"a phase twice": {func(_ *scenarios.Scenario, t *tape) {
			t.add(20*sec, reports.Entry{Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: "steady"}})
		}, reports.Error, `the record contradicts itself: phase "steady" began twice`},
		"another scenario": {func(_ *scenarios.Scenario, t *tape) { t.rec.Header.Scenario = "other" },
			reports.Error, `the record is of scenario "other" and not of "pod-kill"`},
		"another twin": {func(s *scenarios.Scenario, _ *tape) { s.Twin = "one replica" },
			reports.Error, `the record is of twin "" and not of "one replica"`},
		"no bite told": {func(_ *scenarios.Scenario, t *tape) { t.dropStage(reports.StageBitten) },
			reports.Inconclusive, `event "kill" gave no proof that it bit`},
		"unbitten": {func(_ *scenarios.Scenario, t *tape) { t.event(20*sec, reports.StageUnbitten) },
			reports.Inconclusive, `event "kill" did not bite: detail of unbitten`},
		"failed": {func(_ *scenarios.Scenario, t *tape) { t.event(20*sec, reports.StageFailed) },
			reports.Inconclusive, `event "kill" could not be injected: detail of failed`},
		"not injected": {func(_ *scenarios.Scenario, t *tape) { t.drop(func(e reports.Entry) bool { return e.Event != nil }) },
			reports.Inconclusive, `event "kill" was not injected`},
		"switched off and injected": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Timeline[0].Enabled = new(bool) },
			reports.Inconclusive, `event "kill" was injected although the scenario has it switched off`},
		"an unknown event": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Timeline = nil },
			reports.Inconclusive, `the record has an event "kill" that the scenario has not`},
		"late": {func(_ *scenarios.Scenario, t *tape) { t.inject(killAt + 501*ms) },
			reports.Inconclusive, `event "kill" came late: it was injected 501ms after its moment fault+0s, more than 500ms`},
		"late by its own moment": {func(s *scenarios.Scenario, t *tape) {
			s.Spec.Timeline[0].At.After = 2 * sec
			t.inject(killAt + 3*sec)
		}, reports.Inconclusive, `event "kill" came late: it was injected 1.00s after its moment fault+2s, more than 500ms`},
		"bit too late": {func(_ *scenarios.Scenario, t *tape) {
			t.dropStage(reports.StageBitten)
			t.event(quietAt+sec, reports.StageBitten)
		}, reports.Inconclusive, `event "kill" bit too late: 1.00s after the end of recovery, so its effect is not in what is measured`},
		"left": {func(_ *scenarios.Scenario, t *tape) { t.event(40*sec, reports.StageLeft) },
			reports.Error, `event "kill" is not undone: detail of left`},
		"never undone": {func(_ *scenarios.Scenario, t *tape) { t.event(40*sec, reports.StageBitten).Lasting = true },
			reports.Error, `event "kill" was never undone`},
		"calm and not calm": {func(_ *scenarios.Scenario, t *tape) { t.rec.Header.Calm = true },
			reports.Error, `the record contradicts itself: the run was calm, and event "kill" was injected`},
		"steady false": {func(_ *scenarios.Scenario, t *tape) { t.fail(9*sec, 9*sec+1) },
			reports.Inconclusive, `steady state "served" did not hold: the system was not well before the first fault`},
		"steady unknown": {func(s *scenarios.Scenario, _ *tape) {
			s.Spec.Steady = []scenarios.Expectation{that("up", `workload("gateway").ready == 1`)}
		}, reports.Inconclusive, `steady state "up" cannot be told: the record does not show the state of workload "gateway"`},
		"nothing expected": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Expect = nil },
			reports.Inconclusive, "no expectation is switched on: nothing was judged"},
		"all switched off": {func(s *scenarios.Scenario, _ *tape) {
			for i := range s.Spec.Expect {
				s.Spec.Expect[i].Enabled = new(bool)
			}
		}, reports.Inconclusive, "no expectation is switched on: nothing was judged"},
		"unevaluable": {func(s *scenarios.Scenario, _ *tape) {
			s.Spec.Expect = append(s.Spec.Expect, that("gateway", `workload("gateway").ready == 1`))
		}, reports.Inconclusive, `"gateway" cannot be told: the record does not show the state of workload "gateway"`},
		"a wrong expression": {func(s *scenarios.Scenario, _ *tape) {
			s.Spec.Expect = append(s.Spec.Expect, that("typo", `workload("cat").ready == 1`))
		}, reports.Inconclusive, `"typo" cannot be told: the expression is wrong: there is no workload "cat": there is gateway, catalog (character 10)`},
	} {
		t.Run(name, func(t *testing.T) {
			s, rec := podKill(example()...), soundRun()
			c.change(s, rec)
			v := judge.Judge(s, &rec.rec)
			assert.Equal(t, c.want, v.Outcome)
			assert.Contains(t, v.Reasons, c.reason)
		})
	}
}

func TestOneFalseExpectationFailsEvenBesideUnevaluableOnes(t *testing.T) {
	s := podKill(that("gateway", `workload("gateway").ready == 1`), that("few", "fault.lost <= 2"))
	rec := soundRun()
	rec.fail(16*sec, 16*sec+50*ms)
	v := judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Fail, v.Outcome)
	assert.Equal(t, `"few" is false`, v.Reasons[0])
	assert.Equal(t, []reports.Value{{Expr: "fault.lost", Value: "5"}}, v.Expect[1].Values)

	rec.dropStage(reports.StageBitten)
	assert.Equal(t, reports.Inconclusive, judge.Judge(s, &rec.rec).Outcome, "without a bite nothing is proven")
}

func TestARunInterruptedInItsFault(t *testing.T) {
	rec := soundRun()
	rec.dropPhase("recovery", "quiet", "down")
	rec.drop(func(e reports.Entry) bool { return e.At > killAt+sec && e.End == nil })
	rec.trouble(reports.TroubleInterrupted)
	v := judge.Judge(podKill(example()...), &rec.rec)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	for _, f := range v.Expect {
		assert.Nil(t, f.Held, "%s: what the run did not get to is not false", f.Name)
	}
	assert.Equal(t, "the run ended before workload \"catalog\" was whole again", v.Expect[1].Why)
}

func TestSameRecordSameBytes(t *testing.T) {
	rec := soundRun()
	rec.fail(16*sec, 17*sec)
	first, err := json.Marshal(judge.Judge(podKill(example()...), &rec.rec))
	require.NoError(t, err)
	for range 5 {
		again, err := json.Marshal(judge.Judge(podKill(example()...), &rec.rec))
		require.NoError(t, err)
		assert.Equal(t, string(first), string(again))
	}
}

func TestTheOrderOfLinesDoesNotMatter(t *testing.T) {
	rec, turned := soundRun(), soundRun()
	entries := turned.rec.Entries
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
	want := judge.Judge(podKill(example()...), &rec.rec)
	assert.Equal(t, want, judge.Judge(podKill(example()...), &turned.rec))
}

func TestTheVerdictComesFromTheDiskAlone(t *testing.T) {
	built := soundRun()
	built.fail(16*sec, 17*sec)
	dir := filepath.Join(t.TempDir(), "run")
	w, err := reports.Create(dir, built.rec.Header, []byte("scenario"), []byte("plan"))
	require.NoError(t, err)
	for _, e := range built.rec.Entries {
		w.Add(e)
	}
	require.NoError(t, w.Close())
	rec, err := reports.Open(dir)
	require.NoError(t, err)
	want := judge.Judge(podKill(example()...), &built.rec)
	got := judge.Judge(podKill(example()...), rec)
	assert.Equal(t, want, got)
	require.NoError(t, reports.WriteVerdict(dir, got))
	back, err := reports.ReadVerdict(dir)
	require.NoError(t, err)
	assert.Equal(t, want, back)
}

func (t *tape) dropPhase(names ...string) {
	for _, name := range names {
		t.drop(func(e reports.Entry) bool { return e.Phase != nil && e.Phase.Name == name })
	}
}

func (t *tape) dropStage(stage reports.Stage) {
	t.drop(func(e reports.Entry) bool { return e.Event != nil && e.Event.Stage == stage })
}

// inject moves the injection.
func (t *tape) inject(at time.Duration) {
	t.dropStage(reports.StageInjected)
	t.event(at, reports.StageInjected)
}

// closing is the last entry that closes a load.
func (t *tape) closing() *reports.LoadEntry {
	for i := len(t.rec.Entries) - 1; ; i-- {
		if l := t.rec.Entries[i].Load; l != nil {
			return l
		}
	}
}

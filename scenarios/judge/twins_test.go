package judge_test

import (
	"testing"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func oneReplica() *scenarios.Scenario {
	s := podKill(example()...)
	s.Twin, s.Breaks = "one replica", []string{"users barely notice", "healed"}
	return s
}

func ofTwin(t *tape) *reports.Record {
	t.rec.Header.Twin = "one replica"
	return &t.rec
}

func TestATwinIsAsDesignedWhenItBreaksAllItIsTo(t *testing.T) {
	rec := soundRun()
	rec.fail(faultAt, faultAt+2*sec)
	v := judge.Judge(oneReplica(), ofTwin(rec))
	require.NotNil(t, v.Designed)
	assert.False(t, *v.Designed, "healed is not broken")
	assert.Equal(t, []string{"users barely notice", "healed"}, v.Breaks)
	assert.Equal(t, 1, judge.ExitCode(v))

	rec.workloadsAfter(killAt + 4*sec)
	v = judge.Judge(oneReplica(), ofTwin(rec))
	require.NotNil(t, v.Designed)
	assert.True(t, *v.Designed)
	assert.Equal(t, reports.Fail, v.Outcome)
	assert.Equal(t, 0, judge.ExitCode(v))
}

func TestATwinThatPassesIsNotAsDesigned(t *testing.T) {
	v := judge.Judge(oneReplica(), ofTwin(soundRun()))
	assert.Equal(t, reports.Pass, v.Outcome)
	require.NotNil(t, v.Designed)
	assert.False(t, *v.Designed)
	assert.Equal(t, 1, judge.ExitCode(v))
}

func TestAnUnsoundTwinProvesNothing(t *testing.T) {
	for name, change := range map[string]func(t *tape){
		"no bite":        func(t *tape) { t.dropStage(reports.StageBitten) },
		"debug switches": func(t *tape) { t.rec.Header.Flags = []string{"no-fault"} },
		"not steady":     func(t *tape) { t.fail(steadyAt, steadyAt+sec) },
	} {
		rec := soundRun()
		rec.fail(faultAt, faultAt+2*sec)
		rec.workloadsAfter(killAt + 4*sec)
		change(rec)
		v := judge.Judge(oneReplica(), ofTwin(rec))
		assert.Equal(t, reports.Inconclusive, v.Outcome, name)
		assert.Nil(t, v.Designed, name)
		assert.Equal(t, 3, judge.ExitCode(v), name)
	}
}

func TestATwinMustSayWhatItBreaks(t *testing.T) {
	s := podKill(example()...)
	v := judge.Judge(s, ofTwin(soundRun()))
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	assert.Contains(t, v.Reasons, `it is not known what twin "one replica" is to break`)

	s.Spec.Twins = []scenarios.Twin{{Name: "one replica", Breaks: []string{"healed"}}}
	v = judge.Judge(s, ofTwin(soundRun()))
	assert.Equal(t, []string{"healed"}, v.Breaks, "from the scenario that holds the twin")
}

// calmRun is soundRun without its event.
func calmRun() *tape {
	t := soundRun()
	t.rec.Header.Calm = true
	t.drop(func(e reports.Entry) bool { return e.Event != nil })
	return t
}

func TestCalmRunsAreJudgedByWhatNeedsNoEvent(t *testing.T) {
	v := judge.Judge(podKill(example()...), &calmRun().rec)
	assert.Equal(t, reports.Pass, v.Outcome, v.Reasons)
	assert.True(t, v.Calm)
	assert.Nil(t, v.Expect[1].Held)
	assert.Equal(t, "the run was calm: its timeline was off", v.Expect[1].Why)
	assert.Equal(t, 0, judge.ExitCode(v))

	s := podKill(append(example(), that("happened", `event("kill").happened`))...)
	assert.Nil(t, judge.Judge(s, &calmRun().rec).Expect[3].Held)

	s = podKill(append(example(), that("gateway", `workload("gateway").ready == 1`))...)
	v = judge.Judge(s, &calmRun().rec)
	assert.Equal(t, reports.Inconclusive, v.Outcome, "absent for another reason")

	rec := calmRun()
	rec.fail(faultAt, faultAt+2*sec)
	v = judge.Judge(podKill(example()...), &rec.rec)
	assert.Equal(t, reports.Fail, v.Outcome)
	assert.Equal(t, 0, judge.ExitCode(v), "what it means is for Vacuous to say")
	v = judge.Judge(oneReplica(), ofTwin(rec))
	assert.Nil(t, v.Designed, "a calm twin is no twin's verdict")
	assert.Equal(t, 0, judge.ExitCode(v))

	rec.trouble(reports.TroubleEnvironment)
	assert.Equal(t, 3, judge.ExitCode(judge.Judge(podKill(example()...), &rec.rec)))
}

func TestVacuous(t *testing.T) {
	scenario := judge.Judge(podKill(example()...), &calmRun().rec)
	sound := judge.Judge(oneReplica(), ofTwin(calmRun()))
	breaks := []string{"users barely notice", "healed"}
	assert.Empty(t, judge.Vacuous(scenario, sound, breaks))

	rec := calmRun()
	rec.fail(faultAt, faultAt+2*sec)
	broken := judge.Judge(oneReplica(), ofTwin(rec))
	assert.Equal(t, []string{"users barely notice"}, judge.Vacuous(scenario, broken, breaks))
	assert.Empty(t, judge.Vacuous(scenario, broken, []string{"healed"}), "not in breaks")
	assert.Empty(t, judge.Vacuous(broken, broken, breaks), "the scenario breaks it too")
}

func TestExitCode(t *testing.T) {
	yes, no := true, false
	pass := reports.Verdict{Outcome: reports.Pass}
	fail := reports.Verdict{Outcome: reports.Fail}
	unclear := reports.Verdict{Outcome: reports.Inconclusive}
	broken := reports.Verdict{Outcome: reports.Error}
	designed := reports.Verdict{Outcome: reports.Fail, Twin: "t", Designed: &yes}
	not := reports.Verdict{Outcome: reports.Fail, Twin: "t", Designed: &no}
	for _, c := range []struct {
		want int
		vs   []reports.Verdict
	}{
		{3, nil},
		{0, []reports.Verdict{pass}},
		{1, []reports.Verdict{fail}},
		{3, []reports.Verdict{unclear}},
		{4, []reports.Verdict{broken}},
		{4, []reports.Verdict{{}}},
		{0, []reports.Verdict{pass, designed}},
		{1, []reports.Verdict{pass, not}},
		{1, []reports.Verdict{pass, {Outcome: reports.Pass, Twin: "t", Designed: &no}}},
		{3, []reports.Verdict{pass, unclear, designed}},
		{1, []reports.Verdict{unclear, fail}},
		{4, []reports.Verdict{fail, broken, unclear}},
		{4, []reports.Verdict{{Outcome: reports.Error, Calm: true}}},
	} {
		assert.Equal(t, c.want, judge.ExitCode(c.vs...), "%+v", c.vs)
	}
}

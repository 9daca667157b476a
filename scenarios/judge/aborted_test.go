package judge_test

import (
	"fmt"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tooMuch is the condition of the runs that are aborted here.
const tooMuch = `live("browse", duration("2s")).availability < 0.5`

// abortable is podKill with it.
func abortable() *scenarios.Scenario {
	s := podKill(example()...)
	s.Spec.Abort = []scenarios.Expectation{{Name: "too much", That: tooMuch}, {Name: "off", Enabled: new(bool), That: tooMuch}}
	return s
}

// abortedRun is a run that all fails in from a second after the kill on, and that
// is aborted at a moment, when requests up to a tenth of a second before were
// known. What was to come is not there.
func abortedRun(at time.Duration) *tape {
	t := soundRun()
	t.fail(killAt+sec, quietAt)
	t.drop(func(e reports.Entry) bool {
		return e.Phase != nil && e.At > at || e.Request != nil && e.At >= at+sec || e.Load != nil || e.Event != nil && e.At > at || e.End != nil
	})
	t.add(at, reports.Entry{Kind: reports.KindAbort, Abort: &reports.AbortEntry{
		Name: "too much", That: tooMuch, Known: map[string]time.Duration{"browse": at - 100*ms},
	}})
	sent := uint64((at + sec - warmupAt) / every)
	t.add(at+sec, reports.Entry{Kind: reports.KindLoad, Load: &reports.LoadEntry{Load: "browse", Planned: sent, Sent: sent, Complete: true}})
	for name, after := range map[string]time.Duration{"quiet": 20 * ms, "down": 2 * sec} {
		t.add(at+after, reports.Entry{Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: name}})
	}
	t.ready(at+sec, 3)
	t.add(at+3*sec, reports.Entry{Kind: reports.KindEnd, End: &reports.EndEntry{}})
	return t
}

func TestAnAbortedRunFails(t *testing.T) {
	const at = 17500 * ms // 1.5 s of the 2 s up to 17.4 s are bad: 140 of 200
	v := judge.Judge(abortable(), &abortedRun(at).rec)
	require.Equal(t, reports.Fail, v.Outcome, v.Reasons)
	assert.Equal(t, &reports.Aborted{
		Name: "too much", That: tooMuch, At: at, Says: "2.50s after kill",
		Values: []reports.Value{{Expr: `live("browse", duration("2s")).availability`, Value: "0.3"}},
	}, v.Aborted)
	assert.Equal(t, `fail (aborted): too much: live("browse", duration("2s")).availability < 0.5 became true 2.50s after kill, `+
		`so that the run was ended there: live("browse", duration("2s")).availability was 0.3.`, v.Reason)
	assert.Equal(t, 1, judge.ExitCode(v))
	require.Len(t, v.Expect, 3)
	assert.Nil(t, v.Expect[0].Held, "the phase was cut off")
	assert.Contains(t, v.Expect[0].Why, `the run ended inside its phase "fault"`)
	require.NotNil(t, v.Expect[1].Held)
	assert.True(t, *v.Expect[1].Held)
}

func TestWhatBecomesOfAnAbortedRun(t *testing.T) {
	const at = 17500 * ms
	trouble := func(class reports.TroubleClass) func(*scenarios.Scenario, *tape) {
		return func(_ *scenarios.Scenario, t *tape) { t.trouble(class) }
	}
	for name, c := range map[string]struct {
		change func(s *scenarios.Scenario, t *tape)
		want   reports.Outcome
		reason string
	}{
		"interrupted while it came back": {trouble(reports.TroubleInterrupted), reports.Inconclusive, "interrupted: something happened"},
		"the environment's fault":        {trouble(reports.TroubleEnvironment), reports.Inconclusive, "environment: something happened"},
		"a debug switch": {func(_ *scenarios.Scenario, t *tape) { t.rec.Header.Flags = []string{"no-inject"} },
			reports.Inconclusive, "debug switches were on"},
		"a fault is left": {func(_ *scenarios.Scenario, t *tape) { t.event(18*sec, reports.StageLeft) },
			reports.Error, `event "kill" is not undone`},
		"the answers came late": {func(_ *scenarios.Scenario, t *tape) {
			t.requests(killAt, quietAt, func(_ time.Duration, r *reports.RequestEntry) { r.Code = 200 })
		}, reports.Inconclusive, `the run was aborted by "too much", and by the record ` + tooMuch + ` was not true then: live("browse", duration("2s")).availability was 1; the run learnt of it late`},
		"nothing was known": {func(_ *scenarios.Scenario, t *tape) {
			for i := range t.rec.Entries {
				if a := t.rec.Entries[i].Abort; a != nil {
					a.Known = nil
				}
			}
		}, reports.Inconclusive, `nothing is known of load "browse" yet`},
		"another scenario's condition": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Abort[0].That = `workload("catalog").ready < 1` },
			reports.Inconclusive, `the run was aborted by "too much", and the scenario has no such condition`},
		"a condition that is off": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Abort[0].Enabled = new(bool) },
			reports.Inconclusive, "the scenario has no such condition"},
		"a calm run": {func(_ *scenarios.Scenario, t *tape) {
			t.rec.Header.Calm = true
			t.drop(func(e reports.Entry) bool { return e.Event != nil })
		}, reports.Error, "the run was calm, and it was aborted"},
		"the generator was late": {func(_ *scenarios.Scenario, t *tape) {
			t.requests(killAt, quietAt, func(due time.Duration, r *reports.RequestEntry) { r.Sent = due + 60*ms })
		}, reports.Inconclusive, `load "browse" in phase "run": requests left late`},
		"a proof is cut off": {func(_ *scenarios.Scenario, t *tape) { t.dropStage(reports.StageBitten) }, reports.Fail, "too much: "},
		"a workload is not back": {func(_ *scenarios.Scenario, t *tape) { t.ready(at+1500*ms, 1) },
			reports.Fail, `workload "catalog" did not come back: 1 of 3 pods were ready at the end`},
		"the steady state was none": {func(_ *scenarios.Scenario, t *tape) { t.fail(steadyAt, steadyAt+every) }, reports.Fail, "too much: "},
		"what was to come is left out": {func(s *scenarios.Scenario, _ *tape) {
			s.Spec.Timeline = append(s.Spec.Timeline, scenarios.Step{Name: "later", At: scenarios.Moment{Phase: "recovery"}})
		}, reports.Fail, "too much: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, rec := abortable(), abortedRun(at)
			c.change(s, rec)
			v := judge.Judge(s, &rec.rec)
			assert.Equal(t, c.want, v.Outcome, v.Reasons)
			assert.Contains(t, fmt.Sprint(v.Reasons), c.reason)
			require.NotNil(t, v.Aborted)
		})
	}
}

// An abort before any fault is one too.
func TestAbortedInWarmup(t *testing.T) {
	const at = warmupAt + 2500*ms
	rec := abortedRun(at)
	rec.fail(warmupAt, at)
	v := judge.Judge(abortable(), &rec.rec)
	require.Equal(t, reports.Fail, v.Outcome, v.Reasons)
	assert.Equal(t, "2.50s into warmup", v.Aborted.Says)
	assert.Equal(t, "0", v.Aborted.Values[0].Value)
	for _, f := range v.Steady {
		assert.Nil(t, f.Held)
	}
	// A quiet that is not the end of an aborted run is none.
	rec.drop(func(e reports.Entry) bool { return e.Abort != nil })
	assert.Equal(t, reports.Error, judge.Judge(abortable(), &rec.rec).Outcome)
}

func TestAnAbortedTwin(t *testing.T) {
	s, rec := abortable(), abortedRun(17500*ms)
	s.Twin, s.Breaks, rec.rec.Header.Twin = "one replica", []string{"users barely notice"}, "one replica"
	v := judge.Judge(s, &rec.rec)
	require.NotNil(t, v.Designed)
	assert.False(t, *v.Designed)
	assert.Contains(t, v.Reason, "not as designed: the run was aborted: too much: ")
	s.Spec.Expect[0].That = "run.lost <= 100" // what there is of the run is enough to break it
	v = judge.Judge(s, &rec.rec)
	assert.True(t, *v.Designed)
	assert.Contains(t, v.Reason, "as designed: the twin broke users barely notice: 152 requests were lost in run")
}

// What an abort saw of events is measured as they were then.
func TestAbortsSeeNothingOfWhatCameAfter(t *testing.T) {
	s, rec := abortable(), abortedRun(17500*ms)
	for _, that := range []string{`!event("kill").undone`, `event("kill").injected`} {
		s.Spec.Abort[0].That = that
		for i := range rec.rec.Entries {
			if e := &rec.rec.Entries[i]; e.Abort != nil {
				e.Abort.That = that
			} else if e.Event != nil {
				e.Event.Lasting = true
			}
		}
		undone := rec.event(18*sec, reports.StageUndone)
		undone.Lasting = true
		v := judge.Judge(s, &rec.rec)
		assert.Equal(t, reports.Fail, v.Outcome, v.Reasons)
	}
}

// An entry that waits for a condition, and what the record must say of it.
func TestEntriesThatWaited(t *testing.T) {
	for name, c := range map[string]struct {
		triggered, expired, injected time.Duration
		want                         reports.Outcome
		reason                       string
	}{
		"in time":              {triggered: 18 * sec, injected: 18*sec + 500*ms, want: reports.Pass},
		"late":                 {triggered: 18 * sec, injected: 18*sec + 501*ms, want: reports.Inconclusive, reason: `event "again" came late: it was injected 501ms after its condition had become true, more than 500ms`},
		"never":                {expired: 23 * sec, want: reports.Inconclusive, reason: `event "again" was never injected: detail of expired`},
		"nothing is said":      {want: reports.Inconclusive, reason: `event "again" was not injected`},
		"nothing triggered it": {injected: 18 * sec, want: reports.Inconclusive, reason: `event "again" was injected, and nothing says that its condition had become true`},
	} {
		s, rec := podKill(example()...), soundRun()
		s.Spec.Timeline = append(s.Spec.Timeline, scenarios.Step{Name: "again", When: `event("kill").happened`, By: scenarios.Moment{Phase: "fault", After: 8 * sec}})
		for stage, at := range map[reports.Stage]time.Duration{reports.StageTriggered: c.triggered, reports.StageExpired: c.expired, reports.StageInjected: c.injected} {
			if at > 0 {
				rec.event(at, stage).Name = "again"
			}
		}
		if c.injected > 0 {
			rec.event(c.injected+sec, reports.StageBitten).Name = "again"
		}
		v := judge.Judge(s, &rec.rec)
		assert.Equal(t, c.want, v.Outcome, "%s: %v", name, v.Reasons)
		if c.reason != "" {
			assert.Equal(t, []string{c.reason}, v.Reasons, name)
		}
		if c.expired > 0 {
			assert.Equal(t, "inconclusive: "+c.reason+"; look at what the condition asks for, or give it longer, and run it again.", v.Reason)
		}
	}
}

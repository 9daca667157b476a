package judge_test

import (
	"slices"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ramped is podKill with a ramp from 100/s to 300/s in the fault phase and a
// pause at the end, and a record of it that is as it should be.
func ramped(t *testing.T, expect ...scenarios.Expectation) (*scenarios.Scenario, *tape) {
	t.Helper()
	s := podKill(expect...)
	at, to := scenarios.LegRate(100), scenarios.LegRate(300)
	s.Spec.Load[0].Rate = scenarios.Pace{Legs: []scenarios.Leg{
		{Until: scenarios.Moment{Phase: "fault"}, At: &at},
		{Until: scenarios.Moment{Phase: "recovery"}, To: &to},
		{Until: scenarios.Moment{Phase: "recovery", After: 10 * sec}, At: &at},
		{At: new(scenarios.LegRate)},
	}}
	rec := soundRun()
	rec.drop(func(e reports.Entry) bool { return e.Request != nil || e.Load != nil })
	curve, err := schedule.New(s.Spec.Phases.Legs(s.Spec.Load[0].Rate))
	require.NoError(t, err)
	count := curve.Count(curve.End())
	require.Equal(t, uint64(1000+2000+1000), count)
	for n := range count {
		due := warmupAt + curve.Due(n)
		rec.add(due, reports.Entry{Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: "browse", Seq: n, Sent: due, Done: due + 5*ms, Code: 200,
		}})
	}
	rec.add(quietAt, reports.Entry{Kind: reports.KindLoad, Load: &reports.LoadEntry{Load: "browse", Planned: count, Sent: count, Complete: true}})
	return s, rec
}

func TestLegsAreHeldToTheirTimes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *tape)
		reason string // empty: a pass
	}{
		"sound": {func(*tape) {}, ""},
		"one a nanosecond late": {func(t *tape) {
			i := slices.IndexFunc(t.rec.Entries, func(e reports.Entry) bool { return e.Request != nil && e.At > 20*sec })
			t.rec.Entries[i].At++
		}, `load "browse": 1 requests were not due when their numbers say by the legs`},
		"it stopped early": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Request != nil && e.At >= recoveryAt+9*sec })
			*t.closing() = reports.LoadEntry{Load: "browse", Planned: 3900, Sent: 3900, Complete: true}
		}, `load "browse" in phase "recovery": 900 requests were due, and the legs make 1000`},
		"a constant rate instead": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Request != nil || e.Load != nil })
			t.load("browse")
		}, `load "browse" in phase "fault": 1000 requests were due, and the legs make 2000`},
	} {
		t.Run(name, func(t *testing.T) {
			s, rec := ramped(t, example()...)
			c.change(rec)
			v := judge.Judge(s, &rec.rec)
			if c.reason == "" {
				assert.Equal(t, reports.Pass, v.Outcome, v.Reasons)
				return
			}
			assert.Equal(t, reports.Inconclusive, v.Outcome)
			assert.Contains(t, v.Reasons, c.reason)
		})
	}
}

// Recovery that ends early, in the middle of a leg, is no dishonesty.
func TestLegsOfARecoveryThatEndedEarly(t *testing.T) {
	s, rec := ramped(t, example()...)
	early := recoveryAt + 6*sec + 50*time.Microsecond
	for i := range rec.rec.Entries {
		if e := &rec.rec.Entries[i]; e.Phase != nil && e.Phase.Name == "quiet" {
			e.At = early
		}
	}
	assert.Equal(t, reports.Pass, judge.Judge(s, &rec.rec).Outcome)
}

// A window in which a pause lets nothing be due has counts of zero and no lost.
func TestAPauseIsAbsent(t *testing.T) {
	s, rec := ramped(t, that("it", `event("late").requests == 0`), that("lost", `event("late").lost == 0`))
	s.Spec.Timeline = append(s.Spec.Timeline, scenarios.Step{Name: "late", At: scenarios.Moment{Phase: "recovery", After: 15 * sec}})
	for _, stage := range []reports.Stage{reports.StageInjected, reports.StageBitten} {
		rec.event(recoveryAt+15*sec, stage).Name = "late"
	}
	v := judge.Judge(s, &rec.rec)
	require.Len(t, v.Expect, 2)
	require.NotNil(t, v.Expect[0].Held)
	assert.True(t, *v.Expect[0].Held)
	assert.Nil(t, v.Expect[1].Held)
	assert.Contains(t, v.Expect[1].Why, "no request was sent")
}

// A calm run holds the rate at the start of steady, and is held to that.
func TestLegsInACalmRun(t *testing.T) {
	s, rec := ramped(t, that("it", "steady.lost == 0"))
	rec.rec.Header.Calm = true
	rec.drop(func(e reports.Entry) bool { return e.Event != nil || e.Request != nil || e.Load != nil })
	rec.load("browse")
	v := judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Pass, v.Outcome, v.Reasons)
	rec.drop(func(e reports.Entry) bool { return e.Request != nil && e.At >= recoveryAt })
	*rec.closing() = reports.LoadEntry{Load: "browse", Planned: 2000, Sent: 2000, Complete: true}
	assert.Contains(t, judge.Judge(s, &rec.rec).Reasons, `load "browse" in phase "recovery": 0 requests were due, and the rate makes 1999 at least`)
}

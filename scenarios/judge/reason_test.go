package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The first line of a verdict is one sentence with outcome, reason and, where
// nothing was proven, what to do next.
func TestTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *scenarios.Scenario, t *tape)
		want   string
	}{
		"pass": {func(*scenarios.Scenario, *tape) {}, "pass: all 3 expectations held."},
		"fail": {func(_ *scenarios.Scenario, t *tape) { t.fail(16*sec, 16*sec+3120*ms) },
			"fail: users barely notice: 312 requests were lost in fault, at most 100 were promised; it broke 2.00s after kill."},
		"two fail": {func(_ *scenarios.Scenario, t *tape) {
			t.fail(16*sec, 18*sec)
			t.workloadsAfter(killAt + 4*sec)
			t.ready(killAt+5*sec, 2)
		}, "fail: users barely notice: 200 requests were lost in fault, at most 100 were promised; it broke 2.00s after kill; 2 more expectations are false."},
		"inconclusive": {func(_ *scenarios.Scenario, t *tape) {
			t.event(20*sec, reports.StageUnbitten)
			t.dropStage(reports.StageBitten)
		},
			`inconclusive: event "kill" did not bite: detail of unbitten; look at what the event was aimed at, put that right and run it again.`},
		"unsteady": {func(_ *scenarios.Scenario, t *tape) { t.fail(9*sec, 9*sec+1) },
			`inconclusive: steady state "served" did not hold: the system was not well before the first fault; ` +
				`find out what is wrong without any fault, or give it a longer warmup, and run it again.`},
		"unevaluable": {func(s *scenarios.Scenario, _ *tape) {
			s.Spec.Expect = example()[:1]
			s.Spec.Expect[0].That = `workload("gateway").ready == 1`
		},
			`inconclusive: "users barely notice" cannot be told: the record does not show the state of workload "gateway"; ` +
				`change the expectation, or the scenario so that it has a value, and run it again.`},
		"two doubts": {func(_ *scenarios.Scenario, t *tape) {
			t.rec.Header.Flags = []string{"x"}
			t.trouble(reports.TroubleInterrupted)
		},
			"inconclusive: interrupted: something happened (and 1 more); let it run to its end."},
		"nothing": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Expect = nil },
			"inconclusive: no expectation is switched on: nothing was judged; switch one on."},
		"error": {func(_ *scenarios.Scenario, t *tape) { t.trouble(reports.TroubleInternal) },
			"error: something happened; this is Squall's own fault: keep the run's folder and report it."},
		"one": {func(s *scenarios.Scenario, _ *tape) { s.Spec.Expect = s.Spec.Expect[:1] }, "pass: the expectation held."},
	} {
		t.Run(name, func(t *testing.T) {
			s, rec := podKill(example()...), soundRun()
			c.change(s, rec)
			assert.Equal(t, c.want, judge.Judge(s, &rec.rec).Reason)
		})
	}
}

func TestTheReasonOfATwin(t *testing.T) {
	rec := soundRun()
	assert.Equal(t, "not as designed: the twin did not break users barely notice: 0 requests were lost in fault, at most 100 were promised.",
		judge.Judge(oneReplica(), ofTwin(rec)).Reason)
	rec.fail(16*sec, 18*sec)
	assert.Equal(t, "not as designed: the twin did not break healed: kill was healed after 4s, at most 15s was promised.", judge.Judge(oneReplica(), ofTwin(rec)).Reason)
	rec.workloadsAfter(killAt + 4*sec)
	assert.Equal(t, "as designed: the twin broke users barely notice: 200 requests were lost in fault, at most 100 were promised; it broke 2.00s after kill; "+
		"1 more expectation is false.",
		judge.Judge(oneReplica(), ofTwin(rec)).Reason)
	rec.trouble(reports.TroubleEnvironment)
	assert.Equal(t, "inconclusive: environment: something happened; put that right and run it again.", judge.Judge(oneReplica(), ofTwin(rec)).Reason)
}

func TestTheReasonOfACalmRun(t *testing.T) {
	assert.Equal(t, "pass: both expectations held without any fault; 1 more can be told of an event only.", judge.Judge(podKill(example()...), &calmRun().rec).Reason)
	rec := calmRun()
	rec.fail(faultAt, faultAt+2*sec)
	assert.Equal(t, "fail: users barely notice: 200 requests were lost in fault, at most 100 were promised; it broke 1.00s into fault; "+
		"it was a calm run, whose use is to show what breaks without any fault.", judge.Judge(podKill(example()...), &rec.rec).Reason)
}

// What a measure came to, in words.
func TestPhrases(t *testing.T) {
	rec := soundRun()
	rec.fail(16*sec, 16*sec+10*ms)
	for expression, want := range map[string]string{
		"fault.lost <= 0":                                        "1 request was lost in fault, at most 0 were promised",
		"1 > fault.lost":                                         "1 request was lost in fault, less than 1 was promised",
		"fault.requests == 3":                                    "1000 requests were sent in fault, exactly 3 were promised",
		"fault.lost == steady.lost":                              "1 request was lost in fault, exactly steady.lost (0) were promised",
		"fault.availability > 0.9995":                            "99.9% of the requests were good in fault, more than 99.95% was promised",
		`fault.worst(duration("1s")) >= 0.995`:                   "in the worst stretch of its length 99% of the requests were good in fault, at least 99.5% was promised",
		"fault.budget_left(0.999) > 0.5":                         "0% of the error budget was left in fault, more than 50% was promised",
		`fault.longest_outage < duration("1ms")`:                 "the longest outage took 10ms in fault, less than 1ms was promised",
		"fault.p99 < 1 * steady.p99":                             "the p99 was 5ms in fault, less than 1 * steady.p99 (5ms) was promised",
		`fault.p(99.9) < duration("1ms")`:                        "the quantile 99.9 was 5ms in fault, less than 1ms was promised",
		`event("kill").max < duration("1ms")`:                    "the slowest request took 5ms after kill, less than 1ms was promised",
		`load("browse").fault.lost == 0`:                         "1 request was lost in fault under load browse, exactly 0 were promised",
		`load("browse").event("kill").lost == 0`:                 "1 request was lost after kill under load browse, exactly 0 were promised",
		`window("kill", "kill").requests == 1`:                   "0 requests were sent between kill and kill, exactly 1 was promised",
		`event("kill").healed <= duration("1s")`:                 "kill was healed after 4s, at most 1s was promised",
		`workload("catalog").ready == 4`:                         "workload catalog had 3 ready pods at the end, exactly 4 were promised",
		`workload("catalog").pods < workload("catalog").desired`: `workload catalog had 3 pods at the end, less than workload("catalog").desired (3) were promised`,
		`fault.lost + steady.lost == 0`:                          "fault.lost + steady.lost == 0 is false (fault.lost = 1, steady.lost = 0)",
		`!event("kill").happened`:                                `!event("kill").happened is false (event("kill").happened = true)`,
		"false":                                                  "false is false",
		"fault.lost <= 1":                                        "1 request was lost in fault, at most 1 was promised",
	} {
		assert.Equal(t, want, finding(t, rec, expression).Says, expression)
	}
	assert.Equal(t, "kill showed in the cluster after 20ms, at most 1ms was promised", finding(t, rec, `event("kill").detected <= duration("1ms")`).Says)
	rec.endpoints(3*sec, "shop/catalog", "catalog-a")
	assert.Equal(t, "not all victims of kill were ever out of their Services, at most 1s was promised",
		finding(t, rec, `event("kill").withdrawn <= duration("1s")`).Says)
	rec.endpoints(killAt+sec, "shop/catalog")
	assert.Equal(t, "the victims of kill were out of their Services after 1s, less than 1s was promised",
		finding(t, rec, `event("kill").withdrawn < duration("1s")`).Says)
	rec.workloadsAfter(killAt + 4*sec)
	assert.Equal(t, "kill was never healed, at most 15s was promised", finding(t, rec, `event("kill").healed <= duration("15s")`).Says)
}

// A narrowed window breaks where it did itself, and is told as it is written.
func TestTheMomentOfANarrowedWindow(t *testing.T) {
	for expression, want := range map[string]time.Duration{
		`fault.by("version", "v2").lost == 0`:         faultAt + 15*every, // each thirtieth request, the fifteenth first
		`fault.by("version", "v2").lost < 3`:          faultAt + 75*every,
		`event("kill").by("version", "v2").lost == 0`: faultAt + 15*every,
		`fault.by("version", "").lost == 0`:           faultAt,
	} {
		s, rec := canary(that("it", expression))
		rec.requests(0, quietAt, func(due time.Duration, r *reports.RequestEntry) {
			n := int((due - faultAt) / every) // counted from the fault on
			r.By, r.Code, r.Error = map[string]string{"version": "v1"}, 200, ""
			if n >= 0 && n%30 == 15 {
				r.By["version"], r.Code = "v2", 500
			}
			if n == 0 {
				r.By, r.Code = nil, 0
			}
		})
		f := judge.Judge(s, &rec.rec).Expect[0]
		require.NotNil(t, f.Broke, "%s: %+v", expression, f)
		assert.Equal(t, want, f.Broke.At, expression)
		assert.Contains(t, f.Says, "by(\"version\"")
		assert.NotContains(t, f.Says, "under load")
	}
}

// Where expectations broke; every bad request is known.
func TestTheMoment(t *testing.T) {
	rec := soundRun()
	rec.ready(46*sec, 3)                                                                                     // told again, and no change
	rec.fail(16*sec, 17*sec)                                                                                 // 100
	rec.fail(20*sec, 22*sec)                                                                                 // 200
	rec.requests(23*sec, 24*sec, func(due time.Duration, r *reports.RequestEntry) { r.Done = due + 200*ms }) // slow
	for expression, want := range map[string]time.Duration{
		"fault.lost <= 0":                                  16 * sec,
		"fault.lost <= 99":                                 17*sec - every,
		"fault.lost <= 100":                                20 * sec, // the 101st
		"fault.lost < 300":                                 22*sec - every,
		"fault.good > 999":                                 16 * sec,
		"fault.availability >= 0.9":                        20 * sec,
		"fault.budget_left(0.9) >= 0.5":                    16*sec + 50*every,
		`fault.longest_outage <= duration("1s")`:           21 * sec, // the next good one would be due 1.01 s after the first bad one
		`fault.worst(duration("1s")) >= 0.5`:               16*sec + 50*every,
		`fault.max < duration("200ms")`:                    23 * sec,
		`fault.p99 < duration("100ms")`:                    23*sec + 10*every, // ten in a thousand may be slow
		"fault.lost < 10 && fault.p50 > steady.p50":        16*sec + 9*every,
		`fault.max < duration("200ms") && fault.lost < 10`: 16*sec + 9*every,
		`fault.lost < 10 && fault.max < duration("200ms")`: 16*sec + 9*every,
		`fault.lost < 10 || fault.max < duration("100ms")`: 23 * sec,
		`fault.lost + recovery.lost <= 0`:                  16 * sec,
		`event("kill").healed <= duration("3s")`:           killAt + 3*sec,
		`duration("3s") > event("kill").healed`:            killAt + 3*sec,
		`event("kill").recovery <= duration("2s")`:         killAt + 2*sec,
		`workload("catalog").ready == 4`:                   killAt + 4*sec,
		`!(fault.lost > 5)`:                                16*sec + 5*every,
	} {
		f := finding(t, rec, expression)
		require.NotNil(t, f.Held, expression)
		require.False(t, *f.Held, expression)
		if assert.NotNil(t, f.Broke, expression) {
			assert.Equal(t, want, f.Broke.At, expression)
		}
	}
	for _, expression := range []string{
		"fault.requests > 1000", "fault.good > 1001", `!event("kill").happened`, "false",
		`fault.lost >= 301`, `event("kill").healed >= duration("5s")`,
	} {
		f := finding(t, rec, expression)
		require.NotNil(t, f.Held, expression)
		require.False(t, *f.Held, expression)
		assert.Nil(t, f.Broke, "%s is false whatever the requests came to", expression)
	}
	assert.Nil(t, finding(t, rec, "fault.lost <= 300").Broke, "it held")
}

func TestTheMomentOfALastingFaultsRecovery(t *testing.T) {
	rec := soundRun()
	for i := range rec.rec.Entries {
		if e := rec.rec.Entries[i].Event; e != nil {
			e.Lasting = true
		}
	}
	rec.fail(15*sec, 27*sec)
	rec.event(24*sec, reports.StageUndone)
	assert.Equal(t, 25*sec, finding(t, rec, `event("kill").recovery <= duration("1s")`).Broke.At)
	assert.Equal(t, 16*sec, finding(t, rec, `event("kill").impaired <= duration("1s")`).Broke.At)
}

// What the record shows around the moment, and no more than is bearable.
func TestTheNeighbours(t *testing.T) {
	rec := soundRun()
	endpoint := func(at time.Duration, ready ...string) {
		rec.add(at, reports.Entry{Kind: reports.KindEndpoint, Endpoint: &reports.EndpointEntry{Service: "shop/catalog", Ready: ready}})
	}
	endpoint(3*sec, "catalog-a", "catalog-b")
	endpoint(killAt+30*ms, "catalog-b")
	rec.pod(killAt+40*ms, "b", reports.PodEntry{Restarts: 1, Reason: "Error"})
	rec.pod(killAt+2001*ms, "c", reports.PodEntry{})
	rec.fail(killAt, killAt+every)
	want := []reports.Nearby{
		{At: killAt, What: "event kill: injected"},
		{At: killAt, What: "phase fault begins"},
		{At: killAt + 20*ms, What: "pod shop/catalog-a: terminating"},
		{At: killAt + 30*ms, What: "endpoints of shop/catalog: -catalog-a, 1 ready"},
		{At: killAt + 40*ms, What: "pod shop/catalog-b: restarted, 1 in all, not ready, Error"},
		{At: killAt + 500*ms, What: "pod shop/catalog-a: deleted"},
		{At: killAt + 600*ms, What: "event kill: bitten"},
	}
	b := finding(t, rec, "fault.lost == 0").Broke
	assert.Equal(t, &reports.Break{At: killAt, Says: "0s after kill", Near: want}, b)

	for i := range 20 {
		endpoint(killAt+time.Duration(100+i)*ms, "catalog-b", "catalog-x"[:8+i%2])
	}
	b = finding(t, rec, "fault.lost == 0").Broke
	assert.Len(t, b.Near, 12)
	assert.Equal(t, 15, b.More)
	assert.Equal(t, want[:5], b.Near[:5], "the nearest are kept")
	for _, one := range b.Near[5:] {
		assert.Less(t, one.At, killAt+108*ms)
	}

	rec = soundRun()
	rec.fail(faultAt-sec, faultAt-sec+every)
	assert.Equal(t, "6.00s into steady", finding(t, rec, "run.lost == 0").Broke.Says)
}

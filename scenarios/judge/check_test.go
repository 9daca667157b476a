package judge_test

import (
	"strings"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckNamesWhatIsWrong(t *testing.T) {
	for expression, want := range map[string]string{
		"":                                      "the expression is empty",
		"fault.lots <= 1":                       `"lots" is not in a window: it has lost, requests, good, skipped, availability, longest_outage, p50, p90, p99, max, full, degraded, failed, full_share, degraded_share, failed_share, worst(d), p(x), budget_left(x), target(t), by(k, v), workload(w), hpa(h) (character 6)`,
		`event("kill").heald <= duration("1s")`: `"heald" is not in an event: it has healed, recovery, impaired, detected, withdrawn, rolled, drained, happened, injected, undone, lost`,
		`workload("catalog").redy == 1`:         `"redy" is not in a workload: it has ready, desired, pods, restarts, least, most, cpu, memory (character 20)`,
		`load("browse").calm.lost == 0`:         `"calm" is not in a load: it has steady, fault, recovery, run, event(e), window(e1, e2)`,
		"calm.lost == 0":                        "undeclared reference to 'calm' (in container ''): there are steady, fault, recovery, run, event(e)",
		`live("browse", duration("1s")).lost == 0`:                 `live(load, d) exists only inside "when" and "abort", which are looked at while the run goes on`,
		`event("kil").healed < duration("1s")`:                     `there is no event "kil": there is kill (character 7)`,
		`window("kill", "x").lost == 0`:                            `there is no event "x": there is kill (character 16)`,
		`load("buy").fault.lost == 0`:                              `there is no load "buy": there is browse`,
		`workload("shop").ready == 1`:                              `there is no workload "shop": there is gateway, catalog`,
		`event("ki" == "x" ? "a" : "b").happened`:                  "the name of the event must be written out",
		`event("kill").healed <= duration("15")`:                   "invalid duration argument",
		`event("kill").healed <= duration("15 s")`:                 "invalid duration argument",
		`event("kill").healed <= "15s"`:                            "found no matching overload for '_<=_' applied to '(duration, string)'",
		`event("kill").healed <= 15`:                               "found no matching overload for '_<=_'",
		"fault.lost":                                               "the expression must be true or false, and is an int",
		"fault":                                                    "the expression must be true or false, and is a window",
		"fault == steady":                                          "found no matching overload for '_==_'",
		"fault.lost ==":                                            "Syntax error",
		"Window{}.lost == 0":                                       "lists, maps and objects have no use",
		"[1] == [1]":                                               "found no matching overload",
		`fault.worst(duration("11s")) > 0.5`:                       `worst(11s): the phase "fault" lasts 10s only (character 21)`,
		`recovery.worst(duration("3001ms")) > 0.5`:                 `worst(3.001s): the phase "recovery" may end after 3s, once all is well (character 24)`,
		`load("browse").recovery.worst(duration("20s")) > 0.5`:     `the phase "recovery" may end after 3s`,
		`fault.worst(duration("0s")) > 0.5`:                        "worst(0s): the length must be above zero",
		`fault.p(0) < duration("1s")`:                              "p(0): a quantile is above 0 and up to 100",
		"fault.budget_left(1.0) >= 0":                              "budget_left(1): the target is a share above 0 and below 1 (character 19)",
		"fault.budget_left(0.0) >= 0":                              "budget_left(0): the target is a share above 0 and below 1",
		`fault.p(100.1) < duration("1s")`:                          "p(100.1): a quantile is above 0 and up to 100",
		strings.Repeat("(", 50) + "true" + strings.Repeat(")", 50): "nests deeper than 40",
		"fault.lost == 0" + strings.Repeat(" ", 2000):              "longer than 2000",
	} {
		err := judge.Check(podKill(), that("it", expression))
		require.Error(t, err, expression)
		assert.Contains(t, err.Error(), want, expression)
	}
}

func TestCheckFindsAllInOnePass(t *testing.T) {
	err := judge.Check(podKill(), that("it", `event("a").healed < duration("1s") && workload("b").ready == 1`))
	require.Error(t, err)
	assert.Contains(t, err.Error(), `there is no event "a"`)
	assert.Contains(t, err.Error(), `there is no workload "b"`)
	err = judge.Check(podKill(), that("it", `fault.lots == 1 && workload("catalog").redy == 1`))
	require.Error(t, err)
	assert.Contains(t, err.Error(), `"lots" is not in a window`)
	assert.Contains(t, err.Error(), `"redy" is not in a workload`)
}

func TestWorstOfRecovery(t *testing.T) {
	s := podKill()
	assert.NoError(t, judge.Check(s, that("it", `recovery.worst(duration("3s")) > 0.5`)))
	s.Spec.Phases.Recovery = 2 * sec
	err := judge.Check(s, that("it", `recovery.worst(duration("3s")) > 0.5`))
	assert.ErrorContains(t, err, `the phase "recovery" lasts 2s only`)
}

func TestSteadyLooksAtSteadyAlone(t *testing.T) {
	for expression, want := range map[string]string{
		"steady.lost == 0": "",
		`load("browse").steady.p99 < duration("1s") && steady.worst(duration("1s")) == 1.0`: "",
		"fault.lost == 0":                        "fault looks beyond the phase steady: a steady expectation is written over steady and load(l).steady alone (character 1)",
		"steady.lost + recovery.lost == 0":       "recovery looks beyond",
		"run.lost == 0":                          "run looks beyond",
		`load("browse").fault.lost == 0`:         "fault looks beyond",
		`event("kill").lost == 0`:                "event looks beyond",
		`load("browse").event("kill").lost == 0`: "event looks beyond",
		`window("kill", "kill").lost == 0`:       "window looks beyond",
		`workload("catalog").ready == 3`:         "workload looks beyond",
	} {
		s := podKill(that("it", expression))
		assert.NoError(t, judge.Check(s, s.Spec.Expect[0]), expression)
		s.Spec.Steady = []scenarios.Expectation{that("other", "steady.lost == 0"), that("it", expression)}
		if want == "" {
			assert.NoError(t, judge.Check(s, s.Spec.Steady[1]), expression)
			continue
		}
		assert.ErrorContains(t, judge.Check(s, s.Spec.Steady[1]), want, expression)
		assert.NoError(t, judge.Check(s, that("another", expression)), "it is not in the list")
	}
}

func TestNamesOfWhatIsSwitchedOffStayKnown(t *testing.T) {
	s := podKill()
	s.Spec.Timeline[0].Enabled = new(bool)
	assert.NoError(t, judge.Check(s, that("it", `event("kill").happened`)))
}

func TestSeveralLoads(t *testing.T) {
	s := podKill(
		that("sum", "fault.lost == 12"),
		that("one", `load("browse").fault.lost == 10`),
		that("other", `load("buy").fault.lost == 2 && load("buy").event("kill").worst(duration("1s")) > 0.97`),
		that("recovery", `event("kill").recovery == load("browse").event("kill").recovery`),
		that("own", `load("buy").event("kill").recovery < event("kill").recovery`),
	)
	s.Spec.Load = append(s.Spec.Load, s.Spec.Load[0])
	s.Spec.Load[1].Name = "buy"
	for _, e := range s.Spec.Expect {
		require.NoError(t, judge.Check(s, e), e.Name)
	}
	for _, expression := range []string{
		"fault.availability == 1", "fault.max < steady.p99", `fault.p(50) < duration("1s")`,
		`event("kill").worst(duration("1s")) == 1`, `window("kill", "kill").longest_outage < duration("1s")`,
	} {
		err := judge.Check(s, that("it", expression))
		require.Error(t, err, expression)
		assert.Contains(t, err.Error(), `over several loads has no meaning: write load("browse") before the window`)
		assert.NoError(t, judge.Check(podKill(), that("it", expression)), "with one load it has a meaning")
	}

	rec := soundRun("browse", "buy")
	rec.requests(faultAt, faultAt+10*every, func(due time.Duration, r *reports.RequestEntry) {
		if r.Load == "browse" || due < faultAt+2*every {
			r.Code = 500
		}
	})
	v := judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Pass, v.Outcome, "%v %+v", v.Reasons, v.Expect)
	assert.Len(t, v.Windows, 8)

	s.Spec.Load[1].Enabled = new(bool)
	assert.NoError(t, judge.Check(s, that("it", "fault.availability == 1")))
	assert.NoError(t, judge.Check(s, s.Spec.Expect[2]), "its name stays known")
}

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		set  scenarios.Status
		code int
		want string
	}{
		{"2xx", 204, "0"}, {"2xx", 302, "1000"}, {"200", 200, "0"}, {"200", 204, "1000"},
		{"200,204,3xx", 304, "0"}, {"200,204,3xx", 204, "0"}, {"200,204,3xx", 404, "1000"},
		{"2xx", 0, "1000"},
	} {
		s := podKill(that("it", "fault.lost == 0"))
		s.Spec.Load[0].Good.Status = c.set
		rec := soundRun()
		rec.requests(0, quietAt, func(_ time.Duration, r *reports.RequestEntry) { r.Code = c.code })
		assert.Equal(t, c.want, judge.Judge(s, &rec.rec).Expect[0].Values[0].Value, "%s %d", c.set, c.code)
	}
}

// FuzzCheck holds that no text crashes the check or takes long, and that what
// passes it can be judged.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"fault.lost <= 100", `event("kill").healed <= duration("15s")`,
		`workload("catalog").ready == workload("catalog").desired`,
		`fault.worst(duration("1s")) >= 0.5 && run.p(99.9) < 3 * steady.p99`,
		`window("kill", "kill").lost == 0 || !event("kill").happened`,
		`load("browse").event("kill").recovery / duration("1s") < 2.0`,
		"((((((((((", "!!!!!!!!!!", "a.b.c.d", `"\u0000"`, "1 / 0 == 1", "-9223372036854775808 == 1",
		"fault.lost ? fault : steady", "Window{lost: 1}", "[[[[", "{1: 2}", "duration(\"1s\") * 1e300 == duration(\"1s\")",
		"has(fault.lost)", "b'x' == b'x'", "`x`", "?", "fault.?lost", "int(1.0e300) == 1",
	} {
		f.Add(seed)
	}
	rec := soundRun()
	f.Fuzz(func(t *testing.T, expression string) {
		s := podKill(that("it", expression))
		begun := time.Now()
		if err := judge.Check(s, s.Spec.Expect[0]); err != nil {
			assert.NotEmpty(t, err.Error())
		} else {
			v := judge.Judge(s, &rec.rec)
			assert.NotContains(t, v.Expect[0].Why, "the expression is wrong")
			assert.NotEqual(t, reports.Error, v.Outcome)
		}
		assert.Less(t, time.Since(begun), 5*time.Second, expression)
	})
}

func BenchmarkFirstCheck(b *testing.B) {
	s := podKill(example()...)
	for b.Loop() {
		for _, e := range s.Spec.Expect {
			require.NoError(b, judge.Check(s, e))
		}
	}
}

package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// classed is a sound run whose answers are degraded for a second from 2 s after
// the kill on, every tenth of them a failure.
func classed(expect ...scenarios.Expectation) (*scenarios.Scenario, *tape) {
	s, rec := podKill(expect...), soundRun()
	s.Spec.Load[0].Classes = &scenarios.Classes{Degraded: &scenarios.Answer{Header: map[string]string{"X-Degraded": "true"}}}
	for _, e := range rec.rec.Entries {
		if e.Request == nil {
			continue
		}
		e.Request.Class = sample.Full
		if e.At >= killAt+2*sec && e.At < killAt+3*sec {
			e.Request.Class = sample.Degraded
			if e.Request.Seq%10 == 0 {
				e.Request.Class = sample.Failed
			}
		}
	}
	return s, rec
}

func TestClassesAreCounted(t *testing.T) {
	for measure, want := range map[string]string{
		"fault.degraded":                    "90",
		"fault.failed":                      "10",
		"fault.full":                        "900",
		"fault.degraded_share":              "0.09",
		"fault.full_share":                  "0.9",
		`load("browse").fault.failed_share`: "0.01",
		`event("kill").degraded`:            "90",
		"steady.degraded":                   "0",
		"fault.lost":                        "0", // a class bears on nothing else
	} {
		s, rec := classed(that("it", measure+" == "+measure))
		require.NoError(t, judge.Check(s, s.Spec.Expect[0]), measure)
		v := judge.Judge(s, &rec.rec)
		require.NotEmpty(t, v.Expect[0].Values, measure)
		assert.Equal(t, want, v.Expect[0].Values[0].Value, measure)
	}
	s, rec := classed()
	for _, w := range judge.Judge(s, &rec.rec).Windows {
		if w.Window == "fault" {
			assert.Equal(t, &reports.ClassCounts{Full: 900, Degraded: 90, Failed: 10}, w.Classes)
		}
	}
}

func TestWhatIsSaidOfClasses(t *testing.T) {
	for that, want := range map[string]string{
		"fault.degraded <= 50":                       "90 requests were answered in a degraded way in fault, at most 50 were promised",
		"fault.failed <= 9":                          "10 requests were answered with nothing of use in fault, at most 9 were promised",
		"fault.full_share > 0.95":                    "90% of the requests were answered in full in fault, more than 95% was promised",
		`event("kill").degraded_share < 0.01`:        "of the requests were answered in a degraded way after kill, less than 1% was promised",
		`load("browse").fault.failed_share <= 0.001`: "1% of the requests were answered with nothing of use in fault under load browse, at most 0.1% was promised",
	} {
		s, rec := classed(scenarios.Expectation{Name: "it", That: that})
		assert.Contains(t, judge.Judge(s, &rec.rec).Expect[0].Says, want)
	}
}

func TestTheMomentAtWhichTooManyWereDegraded(t *testing.T) {
	s, rec := classed(that("it", "fault.degraded <= 50"))
	broke := judge.Judge(s, &rec.rec).Expect[0].Broke
	require.NotNil(t, broke)
	assert.Equal(t, killAt+2*sec+560*time.Millisecond, broke.At, "the 51st")
}

func TestClassesThatTheRecordHasNot(t *testing.T) {
	s, rec := classed(that("it", "fault.degraded <= 50"))
	for _, e := range rec.rec.Entries {
		if e.Request != nil && e.At >= killAt {
			e.Request.Class = sample.Unclassified
			break
		}
	}
	v := judge.Judge(s, &rec.rec)
	assert.Nil(t, v.Expect[0].Held)
	assert.Contains(t, v.Expect[0].Why, `1 requests of load "browse" in fault have no class in the record`)
	assert.Equal(t, reports.Inconclusive, v.Outcome)

	s.Spec.Load[0].Classes = nil
	v = judge.Judge(s, &rec.rec)
	assert.Contains(t, v.Expect[0].Why, `the load "browse" has no classes`)
	for _, w := range v.Windows {
		assert.Nil(t, w.Classes)
	}
}

func TestMeasuresOfClassesAreChecked(t *testing.T) {
	s, _ := classed()
	without := s.Spec.Load[0]
	without.Name, without.Classes = "buy", nil
	s.Spec.Load = append(s.Spec.Load, without)
	assert.ErrorContains(t, judge.Check(s, that("it", "fault.degraded <= 5")), `degraded: the load "buy" has no classes`)
	assert.ErrorContains(t, judge.Check(s, that("it", `load("buy").fault.full_share > 0.5`)), `full_share: the load "buy" has no classes`)
	assert.ErrorContains(t, judge.Check(s, that("it", "fault.degraded_share <= 0.5")), "degraded_share over several loads has no meaning")
	assert.NoError(t, judge.Check(s, that("it", `load("browse").fault.degraded <= 5`)))
	assert.NoError(t, judge.Check(s, that("it", `fault.lost <= 5`)))
	off := false
	s.Spec.Load[1].Enabled = &off
	assert.NoError(t, judge.Check(s, that("it", "fault.degraded_share <= 0.5")))
	s.Spec.Load[1].Enabled = nil
	s.Spec.Load[1].Targets = []scenarios.MixedTarget{{Name: "a", Weight: 1, Classes: s.Spec.Load[0].Classes}}
	assert.NoError(t, judge.Check(s, that("it", "fault.degraded <= 5")))
	s.Spec.Load[1].Targets[0].Enabled = &off
	assert.ErrorContains(t, judge.Check(s, that("it", "fault.degraded <= 5")), `the load "buy" has no classes`)
}

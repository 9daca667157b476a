package judge_test

import (
	"fmt"
	"testing"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canary is a mixed run whose every tenth request is answered by v2, which fails
// each third of its own; each 250th has no answer.
func canary(expect ...scenarios.Expectation) (*scenarios.Scenario, *tape) {
	s, rec := mixed(expect...)
	s.Spec.Load[0].By = map[string]string{"version": "header/X-Version"}
	for _, e := range rec.rec.Entries {
		if e.Request == nil {
			continue
		}
		version := "v1"
		if e.Request.Seq%10 == 5 {
			version = "v2"
		}
		if e.Request.By = map[string]string{"version": version}; e.Request.Seq%30 == 15 {
			e.Request.Code = 500
		}
		if e.Request.Seq%250 == 0 {
			e.Request.Code, e.Request.By, e.Request.Error = 0, nil, "connection refused"
		}
	}
	return s, rec
}

func TestWindowsAreNarrowed(t *testing.T) {
	// The phase fault holds requests 1000 to 1999.
	list, buy := 0, 0
	s, _ := canary()
	from, weights := s.Draws(s.Spec.Load[0], 7)
	for n := uint64(1000); n < 2000; n++ {
		if from.Pick(n, weights) == 0 {
			list++
		} else {
			buy++
		}
	}
	require.InDelta(t, 750, list, 70)
	for measure, want := range map[string]string{
		"fault.lost":                                                  "38",
		`fault.by("version", "v2").requests`:                          "100",
		`fault.by("version", "v2").lost`:                              "34",
		`fault.by("version", "v1").lost`:                              "0",
		`fault.by("version", "").lost`:                                "4",
		`fault.by("version", "v3").requests`:                          "0",
		`fault.by("version", "v2").worst(duration("300ms"))`:          "0.666666667",
		`fault.by("version", "v2").longest_outage`:                    "100ms",
		`fault.by("version", "v2").p99`:                               "5ms",
		`load("browse").fault.by("version", "v2").good`:               "66",
		`event("kill").by("version", "v2").requests`:                  "300",
		`fault.target("list").requests`:                               fmt.Sprint(list),
		`load("browse").fault.target("buy").requests`:                 fmt.Sprint(buy),
		`fault.target("off").requests`:                                "0",
		`double(fault.by("version", "v2").requests) / 1000.0`:         "100",
		`fault.by("version", "v1").target("list").availability`:       "1",
		`fault.target("list").by("version", "v1").target("buy").good`: "0",
	} {
		t.Run(measure, func(t *testing.T) {
			s, rec := canary(that("it", measure+" == "+measure))
			require.NoError(t, judge.Check(s, s.Spec.Expect[0]))
			v := judge.Judge(s, &rec.rec)
			require.NotEmpty(t, v.Expect[0].Values)
			assert.Equal(t, want, v.Expect[0].Values[0].Value, v.Expect[0])
		})
	}
}

func TestANarrowedWindowWithNothingInItIsAbsent(t *testing.T) {
	s, rec := canary(that("it", `fault.by("version", "v3").lost == 0`))
	v := judge.Judge(s, &rec.rec)
	assert.Nil(t, v.Expect[0].Held)
	assert.Contains(t, v.Expect[0].Why, "no request was sent in fault.by(version, v3)")
	assert.NotEqual(t, reports.Pass, v.Outcome)
}

func TestNarrowingsAreChecked(t *testing.T) {
	for expression, want := range map[string]string{
		`fault.by("vresion", "v2").lost == 0`:                       `there is no entry of the load's by "vresion": there is version`,
		`fault.target("cart").lost == 0`:                            `there is no target "cart": there is list, off, buy`,
		`fault.by("version").lost == 0`:                             "no matching overload",
		`fault.by("version", 2).lost == 0`:                          "no matching overload",
		`event("kill").by("version", "v2").healed < duration("1s")`: `"healed" is not in a window`,
		`load("browse").by("version", "v2").lost == 0`:              "no matching overload",
	} {
		s, _ := canary()
		assert.ErrorContains(t, judge.Check(s, that("it", expression)), want, expression)
	}
	s, _ := canary()
	s.Spec.Load = append(s.Spec.Load, scenarios.Load{Name: "buy"})
	assert.ErrorContains(t, judge.Check(s, that("it", `fault.by("version", "v2").lost == 0`)), `write load("browse") before the window`)
	assert.NoError(t, judge.Check(s, that("it", `load("browse").fault.by("version", "v2").lost == 0`)))
	assert.ErrorContains(t, judge.Check(s, that("it", `load("buy").fault.by("version", "v2").lost == 0`)), "the scenario has none")
	assert.ErrorContains(t, judge.Check(s, that("it", `load("no").fault.by("version", "v2").lost == 0`)), `there is no load "no"`)
	s.Spec.Load = nil
	assert.NotPanics(t, func() { _ = judge.Check(s, that("it", `fault.by("version", "v2").lost == 0`)) })
	s, _ = canary()
	s.Spec.Steady = []scenarios.Expectation{that("it", `fault.by("version", "v2").lost == 0`)}
	assert.ErrorContains(t, judge.Check(s, s.Spec.Steady[0]), "looks beyond the phase steady")
}

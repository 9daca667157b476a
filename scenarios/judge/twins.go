package judge

import (
	"fmt"
	"slices"

	"squall/reports"
	"squall/scenarios"
)

// The exit codes of the design, without that of misuse.
const (
	codeGood         = 0
	codeFail         = 1
	codeInconclusive = 3
	codeError        = 4
)

// breaksOf fills in what the twin of v is to break, and whether it did.
func breaksOf(s *scenarios.Scenario, v *reports.Verdict) {
	v.Breaks = s.Breaks
	if i := slices.IndexFunc(s.Spec.Twins, func(t scenarios.Twin) bool { return t.Name == v.Twin }); len(v.Breaks) == 0 && i >= 0 {
		v.Breaks = s.Spec.Twins[i].Breaks
	}
	if len(v.Breaks) == 0 && v.Outcome != reports.Error {
		v.Outcome = reports.Inconclusive
		v.Reasons = append(v.Reasons, fmt.Sprintf("it is not known what twin %q is to break", v.Twin))
	}
	v.Designed = Designed(*v)
}

// Designed tells whether the twin of which v is the verdict did what it was
// designed to do: every expectation in its breaks is false, in a run that is
// otherwise sound. It is nil where that cannot be said: for a scenario, for a
// calm run, and where the run is inconclusive or an error.
func Designed(v reports.Verdict) *bool {
	if v.Twin == "" || v.Calm || v.Outcome == reports.Inconclusive || v.Outcome == reports.Error {
		return nil
	}
	designed := len(v.Breaks) > 0
	for _, name := range v.Breaks {
		held := heldIn(v, name)
		designed = designed && held != nil && !*held
	}
	return &designed
}

// heldIn is whether an expectation held in v; nil when it is not known there.
func heldIn(v reports.Verdict, name string) *bool {
	i := slices.IndexFunc(v.Expect, func(f reports.Finding) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return v.Expect[i].Held
}

// Vacuous returns those of breaks that hold for the calm scenario and fail for
// the calm twin: the twin's patch alone breaks them, so that the twin proves
// nothing about the fault. What could not be evaluated in either counts for
// nothing.
func Vacuous(scenarioCalm, twinCalm reports.Verdict, breaks []string) []string {
	var names []string
	for _, name := range breaks {
		a, b := heldIn(scenarioCalm, name), heldIn(twinCalm, name)
		if a != nil && *a && b != nil && !*b {
			names = append(names, name)
		}
	}
	return names
}

// ExitCode is what a command that reached these verdicts exits with: the worst
// of 4 (error), 1 (fail), 3 (inconclusive) and 0, in that order. A twin counts
// as 0 when it is as designed, as 1 when it is not. A calm run counts as 0 when
// it is sound, whatever it found, since its use is what [Vacuous] makes of it.
// No verdict at all is inconclusive.
func ExitCode(vs ...reports.Verdict) int {
	worst := []int{codeGood, codeInconclusive, codeFail, codeError}
	rank := 0
	for _, v := range vs {
		rank = max(rank, slices.Index(worst, codeOf(v)))
	}
	if len(vs) == 0 {
		return codeInconclusive
	}
	return worst[rank]
}

func codeOf(v reports.Verdict) int {
	switch {
	case v.Outcome == reports.Inconclusive:
		return codeInconclusive
	case v.Outcome != reports.Pass && v.Outcome != reports.Fail:
		return codeError
	case v.Calm:
		return codeGood
	case v.Twin != "" && v.Designed != nil && *v.Designed:
		return codeGood
	case v.Twin == "" && v.Outcome == reports.Pass:
		return codeGood
	}
	return codeFail
}

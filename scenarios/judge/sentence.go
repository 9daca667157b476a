package judge

import (
	"fmt"
	"slices"
	"strings"

	"squall/reports"
)

// sentence is the one sentence that says what came of a run, and why; where it
// proved nothing, also what to do next.
func sentence(v *reports.Verdict, doubts []doubt) string {
	switch {
	case v.Outcome == reports.Error:
		return "error: " + firstOf(v.Reasons) + "; this is Squall's own fault: keep the run's folder and report it."
	case v.Outcome == reports.Inconclusive:
		return "inconclusive: " + firstOf(v.Reasons) + "; " + next(v, doubts) + "."
	case v.Aborted != nil && v.Designed != nil && !*v.Designed:
		return "not as designed: the run was aborted: " + firstOf(v.Reasons) + "."
	case v.Designed != nil:
		return twinSentence(v)
	case v.Aborted != nil && v.Outcome == reports.Fail:
		return "fail (aborted): " + firstOf(v.Reasons) + "."
	case v.Outcome == reports.Fail:
		return "fail: " + broken(v.Expect) + afterCalm(v) + "."
	}
	held := 0
	for _, f := range v.Expect {
		if f.Held != nil && *f.Held {
			held++
		}
	}
	if skipped := len(v.Expect) - held; skipped > 0 { // in a calm run alone
		return fmt.Sprintf("pass: %s without any fault; %d more can be told of an event only.", heldAll(held), skipped)
	}
	return "pass: " + heldAll(held) + calmly(v) + "."
}

// heldAll says that n expectations held, and no others were judged.
func heldAll(n int) string {
	switch n {
	case 1:
		return "the expectation held"
	case 2:
		return "both expectations held"
	}
	return fmt.Sprintf("all %d expectations held", n)
}

func calmly(v *reports.Verdict) string {
	if v.Calm {
		return " without any fault"
	}
	return ""
}

func afterCalm(v *reports.Verdict) string {
	if v.Calm {
		return "; it was a calm run, whose use is to show what breaks without any fault"
	}
	return ""
}

// firstOf is the first of several reasons.
func firstOf(reasons []string) string {
	if len(reasons) == 0 {
		return "no reason is known"
	}
	first := strings.TrimRight(reasons[0], ". ")
	if more := len(reasons) - 1; more > 0 {
		first += fmt.Sprintf(" (and %d more)", more)
	}
	return first
}

// next is what to do about the first reason of an inconclusive run.
func next(v *reports.Verdict, doubts []doubt) string {
	switch {
	case len(doubts) > 0:
		return doubts[0].next
	case len(v.Expect) == 0:
		return "switch one on"
	case v.Twin != "" && len(v.Breaks) == 0:
		return nextBreaks
	}
	return nextAbsent
}

// broken tells of the first of the findings that are false, and how many more
// there are.
func broken(findings []reports.Finding) string {
	first, more := "", 0
	for i := range findings {
		f := &findings[i]
		switch {
		case f.Held == nil || *f.Held:
		case first == "":
			first = told(f)
		default:
			more++
		}
	}
	switch more {
	case 0:
		return first
	case 1:
		return first + "; 1 more expectation is false"
	}
	return fmt.Sprintf("%s; %d more expectations are false", first, more)
}

// told is a finding in words, with where it broke.
func told(f *reports.Finding) string {
	if f.Held == nil {
		return f.Name + ": it cannot be told: " + f.Why
	}
	says := f.Name + ": " + f.Says
	if f.Broke != nil {
		says += "; it broke " + f.Broke.Says
	}
	return says
}

// twinSentence tells of a twin what it broke, or the first that it did not.
func twinSentence(v *reports.Verdict) string {
	for _, name := range v.Breaks {
		i := slices.IndexFunc(v.Expect, func(f reports.Finding) bool { return f.Name == name })
		if held := heldIn(*v, name); held != nil && !*held {
			continue
		}
		if i < 0 {
			return fmt.Sprintf("not as designed: the twin was to break %s, which is no expectation.", name)
		}
		return "not as designed: the twin did not break " + told(&v.Expect[i]) + "."
	}
	var those []reports.Finding
	for _, f := range v.Expect {
		if slices.Contains(v.Breaks, f.Name) {
			those = append(those, f)
		}
	}
	return "as designed: the twin broke " + broken(those) + "."
}

package reports

import (
	"fmt"
	"slices"
	"strings"
)

// Overall is one sentence about several verdicts: whether all came out as they
// should, or else what became of the worst. Of one verdict it is its reason. What
// does not count is left out.
func Overall(vs []Verdict) string {
	if len(vs) == 1 && vs[0].Reason != "" {
		return vs[0].Reason
	}
	// The words of a command's exit code, from the best to the worst.
	words := []Outcome{Pass, Inconclusive, Fail, Error}
	worst, rank, counted, amiss := 0, 0, 0, 0
	for i := range vs {
		word, counts := standing(&vs[i])
		if !counts {
			continue
		}
		counted++
		if word != Pass {
			amiss++
		}
		if n := slices.Index(words, word); n > rank {
			worst, rank = i, n
		}
	}
	switch {
	case len(vs) == 0:
		return ""
	case counted == 0:
		return "inconclusive: no verdict counts."
	case amiss == 0:
		return fmt.Sprintf("pass: all %d runs came out as they should.", counted)
	}
	how := "did not come out as they should, the worst is"
	if amiss == 1 {
		how = "did not come out as it should:"
	}
	return fmt.Sprintf("%s: %d of %d runs %s %s", words[rank], amiss, counted, how, amissOf(&vs[worst]))
}

// standing is what one verdict makes of a command's outcome, and whether it
// counts at all.
func standing(v *Verdict) (word Outcome, counts bool) {
	switch {
	case len(v.Vacuous) > 0: // it counts whatever the run came to
		return Fail, true
	case v.Uncounted != "":
		return "", false
	case v.Outcome == Inconclusive || v.Outcome == Error:
		return v.Outcome, true
	case v.Calm || v.Designed != nil && *v.Designed || v.Designed == nil && v.Twin == "" && v.Outcome == Pass:
		return Pass, true
	}
	return Fail, true
}

// amissOf names a verdict that is not as it should be, and says why.
func amissOf(v *Verdict) string {
	name := v.Scenario
	if v.Twin != "" {
		name += ", twin " + v.Twin
	}
	switch {
	case len(v.Vacuous) > 0:
		return name + ": its patch alone breaks " + strings.Join(v.Vacuous, ", ") + ", without any fault: it proves nothing."
	case v.Reason != "":
		return name + ": " + strings.TrimPrefix(v.Reason, string(v.Outcome)+": ")
	case len(v.Reasons) > 0:
		return name + ": " + v.Reasons[0] + "."
	}
	return name + ": " + status(v) + "."
}

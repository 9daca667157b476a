package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Blame says which term of a window was wrong, of the measure at i of all those
// that were predicted of an event; it is empty where the measure lies inside.
//
// Measures of one event share their first terms, so they narrow each other down:
// where the time since an earlier measure is as the terms after it have it, the
// earlier one is to blame; else the terms after it are. Of several that are left
// the first named is the one that would have to change least by its own size; an
// excess that the allowances of the stretch could have doubled is theirs first.
// That is an argument from likelihood, so all others that could be wrong are named
// after it. A term that cannot be shorter is no cause of what came too early.
func Blame(all []Predicted, i int) string {
	p := all[i]
	switch {
	case p.Inside:
		return ""
	case p.Measured == nil:
		return "it was not measured"
	case p.Never:
		return fmt.Sprintf("it came in %s although %s", Duration(*p.Measured), p.Why)
	case *p.Measured == Never:
		return "it never came: a term without end is missing, or the rule does not hold"
	}
	excess := beyond(*p.Measured, p.Least, p.Most)
	head := fmt.Sprintf("%s too late", Duration(excess))
	if excess < 0 {
		head = fmt.Sprintf("%s too early", Duration(-excess))
	}
	terms := p.Terms
	if before := earlier(all, i); before != nil {
		own, least, most := stretch(*before, p)
		since := *p.Measured - *before.Measured
		within := beyond(since, least, most) == 0
		switch {
		case within && !before.Inside:
			return fmt.Sprintf("%s, as %s was: since then it took %s (%s)", head, before.Measure, Duration(since), span(least, most))
		case !within:
			terms, excess = own, beyond(since, least, most)
			head += fmt.Sprintf(", %s after %s (%s)", Duration(since), before.Measure, span(least, most))
		}
	}
	return head + ": " + suspects(terms, excess)
}

// beyond is by how much a value lies outside a window: negative when below.
func beyond(value, least, most Offset) Offset {
	switch {
	case value < least:
		return value - least
	case value > most:
		return value - most
	}
	return 0
}

// earlier is the measure before i, of those that were measured and came, that has
// most in common with it, and least besides; nil without one that begins alike.
func earlier(all []Predicted, i int) *Predicted {
	var best *Predicted
	var shared int
	for k := range all[:i] {
		b := &all[k]
		if b.Never || b.Measured == nil || *b.Measured == Never {
			continue
		}
		same := alike(b.Terms, all[i].Terms)
		if same > shared || same == shared && same > 0 && len(b.Terms) < len(best.Terms) {
			best, shared = b, same
		}
	}
	return best
}

// alike is with how many terms both begin.
func alike(a, b []PredictedTerm) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// stretch is the window of the time from one measure to another: the terms that
// both begin with are the same stretch of time, all others are not.
func stretch(before, p Predicted) (own []PredictedTerm, least, most Offset) {
	same := alike(before.Terms, p.Terms)
	own = p.Terms[same:]
	for _, t := range own {
		least, most = least+t.Least, most+t.Most
	}
	for _, t := range before.Terms[same:] {
		least, most = least-t.Most, most-t.Least
	}
	return own, least, most
}

// suspects are the terms that could be wrong by excess, the likeliest first.
func suspects(terms []PredictedTerm, excess Offset) string {
	type suspect struct {
		PredictedTerm
		change float64 // by its own size
	}
	var all []suspect
	var allowed Offset
	for _, t := range terms {
		size := t.Most
		if excess < 0 {
			size = t.Least
		}
		if size == 0 {
			continue
		}
		if t.From == allowance {
			allowed += size
		}
		all = append(all, suspect{t, float64(excess.Abs()) / float64(size.Abs())})
	}
	if len(all) == 0 {
		return "no term can be wrong by that, so the rule does not hold or the measure is wrong"
	}
	slices.SortStableFunc(all, func(a, b suspect) int {
		if excess <= allowed && (a.From == allowance) != (b.From == allowance) {
			return map[bool]int{true: -1, false: 1}[a.From == allowance]
		}
		return cmp.Compare(a.change, b.change)
	})
	var said []string
	for _, s := range all {
		// Had the term been so long, or short, the reading could have been inside.
		bound, needed := "at least", s.Most+excess
		if excess < 0 {
			bound, needed = "at most", s.Least+excess
		}
		said = append(said, fmt.Sprintf("%s (%s) would have to be %s %s and not %s", clean(s.Name), clean(s.From), bound, Duration(needed), span(s.Least, s.Most)))
	}
	if len(said) == 1 {
		return said[0]
	}
	return said[0] + "; less likely " + strings.Join(said[1:], ", or ")
}

// allowance is what a term comes from that is no timer.
const allowance = "allowance"

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// findings writes the expectations, steady ones first.
func (t *text) findings(v *Verdict) {
	width := 0
	for _, f := range slices.Concat(v.Steady, v.Expect) {
		width = max(width, min(utf8.RuneCountInString(clean(f.Name)), 32))
	}
	breaks := v.Breaks
	if v.Calm {
		breaks = nil // without its faults a twin breaks nothing, and should not
	}
	for _, group := range []struct {
		title    string
		findings []Finding
		breaks   []string
	}{
		{"steady", v.Steady, nil},
		{"expect", v.Expect, breaks},
	} {
		if len(group.findings) == 0 {
			continue
		}
		t.line("  ", t.paint(group.title, dim))
		for i := range group.findings {
			f := &group.findings[i]
			t.finding(f, width, slices.Contains(group.breaks, f.Name))
		}
	}
}

// finding writes one expectation; mustBreak is set in a twin for those that are
// to be false.
func (t *text) finding(f *Finding, width int, mustBreak bool) {
	mark, with, note := "?", yellow, ""
	switch {
	case f.Held != nil && *f.Held && mustBreak:
		mark, with, note = "✓", red, "held, and should have broken"
	case f.Held != nil && *f.Held:
		mark, with = "✓", green
	case f.Held != nil && mustBreak:
		mark, with, note = "✗", green, "broken, as designed"
	case f.Held != nil:
		mark, with = "✗", red
	}
	name, that := clean(f.Name), clean(f.That)
	if note != "" {
		that += "   ← " + note
	}
	head := 6 + max(width, utf8.RuneCountInString(name)) + 2
	if held := f.Held != nil && *f.Held; held && !mustBreak && len(f.Values) > 0 {
		t.held(f, width, head)
		return
	}
	if t.fits(head + utf8.RuneCountInString(that)) {
		t.line("    ", t.paint(mark, with), " ", pad(name, width), "  ", that)
	} else {
		t.line("    ", t.paint(mark, with), " ", clip(name, max(0, t.opt.Width-6)))
		t.para(8, that, plain)
	}
	for _, value := range f.Values {
		t.para(8, clean(value.Expr)+" = "+clean(value.Value), with)
	}
	t.broke(f.Broke, with)
	told := slices.ContainsFunc(f.Values, func(v Value) bool { return strings.Contains(v.Value, f.Why) })
	if f.Why != "" && !told {
		t.para(8, "cannot be told: "+clean(f.Why), with)
	}
}

// broke writes where an expectation became false, and what was near.
func (t *text) broke(b *Break, with style) {
	if b == nil {
		return
	}
	t.para(8, fmt.Sprintf("broke %s, at %s of the run", clean(b.Says), Duration(b.At)), with)
	for _, line := range b.lines() {
		t.para(10, clean(line), dim)
	}
	for _, line := range b.Log {
		t.para(10, fmt.Sprintf("%s log of %s: %s", from(b.At, line.At), clean(line.Of), clean(line.Text)), dim)
	}
}

// from is how far a moment is from another, with its sign.
func from(at, one Offset) string {
	if one >= at {
		return "+" + Duration(one-at)
	}
	return Duration(one - at)
}

// lines are what was near, each with its distance.
func (b *Break) lines() []string {
	var lines []string
	for _, one := range b.Near {
		lines = append(lines, from(b.At, one.At)+" "+one.What)
	}
	if b.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more within 2s", b.More))
	}
	return lines
}

// held writes an expectation that is true, its numbers on the same line where
// they fit.
func (t *text) held(f *Finding, width, head int) {
	name, that := clean(f.Name), clean(f.That)
	parts := make([]string, len(f.Values))
	for i, value := range f.Values {
		parts[i] = clean(value.Expr) + " = " + clean(value.Value)
	}
	values := "→ " + strings.Join(parts, ", ")
	if len(f.Values) == 1 { // its name stands in the expectation already
		values = "→ " + clean(f.Values[0].Value)
	}
	mark := t.paint("✓", green)
	cells := head + utf8.RuneCountInString(that)
	switch {
	case t.fits(cells + 3 + utf8.RuneCountInString(values)):
		t.line("    ", mark, " ", pad(name, width), "  ", that, "   ", t.paint(values, dim))
	case t.fits(cells):
		t.line("    ", mark, " ", pad(name, width), "  ", that)
		t.para(8, values, dim)
	default:
		t.line("    ", mark, " ", clip(name, max(0, t.opt.Width-6)))
		t.para(8, that, plain)
		t.para(8, values, dim)
	}
}

func (t *text) windows(ws []WindowMeasure) {
	if len(ws) == 0 {
		return
	}
	rows := [][]string{{"window", "load", "sent", "lost", "good", "p50", "p99", "outage"}}
	styles := []style{dim}
	for _, w := range ws {
		rows = append(rows, []string{
			clean(w.Window), clean(w.Load),
			strconv.FormatUint(w.Requests, 10), strconv.FormatUint(w.Lost, 10), share(w),
			Duration(w.P50), Duration(w.P99), Duration(w.Outage),
		})
		with := plain
		if w.Lost > 0 {
			with = yellow
		}
		styles = append(styles, with)
	}
	t.table(rows, []int{1, 1, -1, -1, -1, -1, -1, -1}, styles)
	t.classes(ws)
}

// share is the availability in percent, never rounded up to 100.
func share(w WindowMeasure) string {
	if w.Good+w.Lost == 0 {
		return "–"
	}
	if w.Lost == 0 {
		return "100%"
	}
	return strconv.FormatFloat(min(w.Availability*100, 99.99), 'f', 2, 64) + "%"
}

func (t *text) events(es []EventMeasure) {
	for _, e := range es {
		head, did, didNot := "event %s · %s at %s", "bitten", "no proof that it bit"
		if e.Step != "" {
			head, did, didNot = "step %s · %s at %s", "done", "no proof that it was done"
		}
		head = fmt.Sprintf(head, clean(e.Name), cmp.Or(clean(e.Step), clean(e.Fault)), Duration(e.At))
		with := plain
		if e.Bitten {
			head += " · " + did
		} else {
			head, with = head+" · "+didNot, yellow
		}
		if e.Healed != nil {
			head += " · " + took("healed", *e.Healed)
		}
		if e.Recovery != nil {
			head += " · " + took("recovered", *e.Recovery)
		}
		if e.Rolled != nil {
			head += " · " + took("rolled out", *e.Rolled)
		}
		if e.Drained != nil {
			head += " · " + took("drained", *e.Drained)
		}
		t.para(2, head, with)
		for _, v := range e.Victims {
			was := clean(v.Pod) + " on " + clean(v.Node)
			if v.Pod == "" {
				was = "node " + clean(v.Node)
			}
			t.para(4, fmt.Sprintf("%s/%d was %s", clean(v.Role), v.Ordinal, was), dim)
		}
		if e.Evidence != "" {
			t.para(4, clean(e.Evidence), dim)
		}
		if e.Undone != "" {
			t.para(4, clean(e.Undone), dim)
		}
		t.predictions(e.Predicted)
		if e.Unpredicted != "" {
			t.para(4, "nothing is predicted: "+clean(e.Unpredicted), dim)
		}
	}
}

func took(what string, d Offset) string {
	switch d {
	case Never:
		return "never " + what
	case 0:
		return what + " at once"
	}
	return what + " in " + Duration(d)
}

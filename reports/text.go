package reports

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// TextOptions say what the terminal can do.
type TextOptions struct {
	// Color allows ANSI colours.
	Color bool
	// Width is the number of columns; 0 means that lines may be of any length.
	// Less than 40 is taken as 40.
	Width int
}

// Text writes the verdicts for people: a block for each, which begins with its
// reason, and when there are several a sentence above and a summary under them. The error is the writer's.
func Text(w io.Writer, vs []Verdict, opt TextOptions) error {
	if opt.Width > 0 {
		opt.Width = max(opt.Width, 40)
	}
	t := &text{out: bufio.NewWriter(w), opt: opt}
	if len(vs) > 1 {
		t.para(0, clean(Overall(vs)), bold)
		t.line("")
	}
	for i := range vs {
		if i > 0 {
			t.line("")
		}
		t.verdict(&vs[i])
	}
	if len(vs) > 1 {
		t.line("")
		t.summary(vs)
	}
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// style is an ANSI "select graphic rendition" code.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// text writes lines. What others wrote passes through clean before it is laid
// out.
type text struct {
	out *bufio.Writer
	opt TextOptions
}

func (t *text) line(parts ...string) {
	for _, part := range parts {
		t.out.WriteString(part) // the writer keeps its first error for Flush
	}
	t.out.WriteByte('\n')
}

func (t *text) paint(s string, with style) string {
	if !t.opt.Color || with == plain || s == "" {
		return s
	}
	return "\x1b[" + string(with) + "m" + s + "\x1b[0m"
}

// para writes s, wrapped, every line indented.
func (t *text) para(indent int, s string, with style) {
	width := 0
	if t.opt.Width > 0 {
		width = t.opt.Width - indent
	}
	for _, line := range wrap(s, width) {
		t.line(strings.Repeat(" ", indent), t.paint(line, with))
	}
}

// fits tells whether a line of that many characters fits.
func (t *text) fits(cells int) bool {
	return t.opt.Width <= 0 || cells <= t.opt.Width
}

func (t *text) verdict(v *Verdict) {
	mark, with := look(v)
	title := clean(v.Scenario)
	if v.Twin != "" {
		title += " · twin " + clean(v.Twin)
	}
	if v.Calm {
		title += " · calm"
	}
	word := strings.ToUpper(status(v))
	room := 0
	if t.opt.Width > 0 {
		room = max(8, t.opt.Width-len(word)-4)
	}
	if v.Reason != "" {
		t.para(0, clean(v.Reason), with)
	}
	t.line(t.paint(mark+" "+word, with), "  ", t.paint(clip(title, room), bold))
	t.para(2, facts(v), dim)
	if v.Designed != nil || len(v.Breaks) > 0 {
		t.para(2, designed(v), with)
	}
	for _, reason := range v.Reasons {
		// That it is false is as designed; a single one stands in the first line.
		if (v.Designed == nil || !*v.Designed) && (v.Reason == "" || len(v.Reasons) > 1) {
			t.para(2, "– "+clean(reason), with)
		}
	}
	t.findings(v)
	t.windows(v.Windows)
	t.generators(v.Generators)
	t.events(v.Events)
	t.autoscalers(v.Autoscalers)
	t.usage(v.Usage)
}

// facts is the line that says under what conditions the verdict was reached.
func facts(v *Verdict) string {
	var parts []string
	if v.Promise != "" {
		parts = append(parts, clean(v.Promise))
	}
	parts = append(parts,
		"Kubernetes "+clean(v.Kubernetes),
		provided(v),
		clean(v.Timers)+" timers",
		"seed "+strconv.FormatUint(v.Seed, 10),
		"took "+Duration(v.Took))
	return strings.Join(parts, " · ")
}

// provided is what made the cluster, with the published image of its nodes.
func provided(v *Verdict) string {
	if v.NodeImage == "" {
		return clean(v.Provider)
	}
	return clean(v.Provider) + " (" + clean(v.NodeImage) + ")"
}

// status is the verdict in a word or two.
func status(v *Verdict) string {
	switch {
	case v.Designed == nil && v.Aborted != nil && v.Outcome == Fail:
		return string(v.Outcome) + " (aborted)"
	case v.Designed == nil:
		return string(v.Outcome)
	case *v.Designed:
		return "as designed"
	}
	return "not as designed"
}

// look is the mark and the colour of a verdict.
func look(v *Verdict) (mark string, with style) {
	switch {
	case v.Designed != nil && *v.Designed:
		return "✓", green
	case v.Designed != nil:
		return "✗", red
	case v.Outcome == Pass:
		return "✓", green
	case v.Outcome == Inconclusive:
		return "?", yellow
	}
	return "✗", red
}

// designed says of a twin what it broke and what it should have broken.
func designed(v *Verdict) string {
	var broke, kept []string
	for _, name := range v.Breaks {
		if isFalse(v.Expect, name) {
			broke = append(broke, clean(name))
		} else {
			kept = append(kept, clean(name))
		}
	}
	switch {
	case v.Designed != nil && *v.Designed:
		return "as designed: broke [" + strings.Join(broke, ", ") + "]"
	case v.Designed != nil:
		return "not as designed: did not break [" + strings.Join(kept, ", ") + "]"
	}
	names := make([]string, len(v.Breaks))
	for i, name := range v.Breaks {
		names[i] = clean(name)
	}
	return "is to break [" + strings.Join(names, ", ") + "]"
}

func isFalse(findings []Finding, name string) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool {
		return f.Name == name && f.Held != nil && !*f.Held
	})
}

// summary is one line a verdict.
func (t *text) summary(vs []Verdict) {
	rows := [][]string{{"scenario", "twin", "verdict", "took"}}
	styles := []style{dim}
	for i := range vs {
		v := &vs[i]
		twin := clean(v.Twin)
		if twin == "" {
			twin = "–"
		}
		name := clean(v.Scenario)
		if v.Calm {
			name += " (calm)"
		}
		mark, with := look(v)
		rows = append(rows, []string{name, twin, mark + " " + status(v), Duration(v.Took)})
		styles = append(styles, with)
	}
	t.table(rows, []int{1, 1, 1, -1}, styles)
}

// table writes rows in columns; align holds 1 for left and -1 for right, styles
// one style a row.
func (t *text) table(rows [][]string, align []int, styles []style) {
	widths := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], min(utf8.RuneCountInString(cell), 32))
		}
	}
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString("  " + pad(clip(cell, widths[i]), align[i]*widths[i]))
		}
		line := clip(strings.TrimRight(b.String(), " "), t.opt.Width)
		t.line(t.paint(line, styles[n]))
	}
}

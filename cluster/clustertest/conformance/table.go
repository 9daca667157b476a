package conformance

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// row is a line of the table: an area, and how its tests went.
type row struct {
	area                         string
	ran, passed, failed, skipped int
	seconds                      float64
}

// rows counts the results by area, in the order of [Areas], and all of them.
func (r Results) rows() ([]row, row) {
	all := row{area: "all"}
	byArea := map[string]*row{}
	var names []string
	for _, a := range Areas() {
		names = append(names, a.Name)
	}
	names = append(names, "other")
	for _, result := range r.Results {
		line, ok := byArea[result.Area]
		if !ok {
			line = &row{area: result.Area}
			byArea[result.Area] = line
		}
		for _, l := range []*row{line, &all} {
			l.count(result)
		}
	}
	var lines []row
	for _, name := range names {
		if line, ok := byArea[name]; ok {
			lines = append(lines, *line)
		}
	}
	return lines, all
}

func (l *row) count(r Result) {
	l.seconds += r.Seconds
	switch r.State {
	case Passed:
		l.passed++
	case Skipped:
		l.skipped++
		return
	default:
		l.failed++
	}
	l.ran++
}

// cells are the row as text.
func (l row) cells() []string {
	cells := []string{l.area}
	for _, n := range []int{l.ran, l.passed, l.failed, l.skipped} {
		cells = append(cells, fmt.Sprint(n))
	}
	return append(cells, fmt.Sprintf("%.0f", l.seconds))
}

func columns() []string { return []string{"area", "run", "passed", "failed", "skipped", "seconds"} }

// WriteText writes the table for a terminal.
func (r Results) WriteText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	line := func(cells []string) { fmt.Fprintln(out, strings.Join(cells, "\t")+"\t") }
	line(columns())
	rows, all := r.rows()
	for _, l := range append(rows, all) {
		line(l.cells())
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, bad := range r.Bad() {
		fmt.Fprintf(w, "\n%s: %s\n  %s\n", bad.State, bad.Name, strings.ReplaceAll(bad.Message, "\n", "\n  "))
	}
	_, err := fmt.Fprintf(w, "\n%d of %d passed (%.1f %%) in %s\n", all.passed, all.ran, 100*r.Share(), r.took())
	return err
}

// took is how long the run was.
func (r Results) took() time.Duration {
	return time.Duration(r.Facts.Seconds * float64(time.Second)).Round(time.Second)
}

// WriteMarkdown writes the part of docs/conformance.md that is made of results.
func (r Results) WriteMarkdown(w io.Writer) error {
	f := r.Facts
	var b strings.Builder
	rows, all := r.rows()
	fmt.Fprintf(&b, "%d of %d tests passed (%.1f %%), %d skipped themselves, in %s with %d at once.\n\n",
		all.passed, all.ran, 100*r.Share(), all.skipped, r.took(), f.Parallel)
	fmt.Fprintf(&b, "| | |\n| --- | --- |\n| tests | Kubernetes %s |\n| cluster | %s |\n", f.Tests, f.cluster())
	for _, n := range f.Nodes {
		fmt.Fprintf(&b, "| node %s | %s processors, %s, Linux %s, %s |\n", n.Name, n.CPU, n.Memory, n.Kernel, n.Runtime)
	}
	fmt.Fprintf(&b, "| Squall | %s |\n| date | %s |\n\n", f.Squall, f.Date.Format("2 January 2006, 15:04 MST"))
	fmt.Fprintf(&b, "| %s |\n| --- | --: | --: | --: | --: | --: |\n", strings.Join(columns(), " | "))
	for _, l := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(l.cells(), " | "))
	}
	fmt.Fprintf(&b, "| **%s** |\n", strings.Join(all.cells(), "** | **"))
	if bad := r.Bad(); len(bad) > 0 {
		b.WriteString("\n| did not pass | why |\n| --- | --- |\n")
		for _, result := range bad {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(result.Name), cell(explain(result)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f Facts) cluster() string {
	if f.Provider == "" {
		return "Kubernetes " + f.Kubernetes
	}
	return "Kubernetes " + f.Kubernetes + ", " + f.Provider
}

// cell is text that fits into a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "*", "\\*").Replace(text)
}

// explain says why a test did not pass: what is known about it, else its own words.
func explain(r Result) string {
	if why, known := Known()[r.Name]; known {
		return why
	}
	first, _, _ := strings.Cut(r.Message, "\n")
	return first
}

// Known are tests that do not pass on embedded clusters, each with the reason.
func Known() map[string]string {
	return map[string]string{
		"[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35] [Conformance]": "It pulls an image whether or not " +
			"the node has it, and no registry is in reach of a cluster that has no outside.",
	}
}

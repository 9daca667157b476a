package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"squall/scenarios/judge"

	"github.com/spf13/cobra"
)

const explainHelp = `Explain what an expectation can ask for: what it is, its type, and an example.

Usage:
  squall explain [MEASURE]

  MEASURE   as it is written in an expectation, such as event.recovery, fault.lost,
            worst or 'workload("catalog").ready'
            Without it, all there are.

Try it:
  squall explain event.recovery
`

func (c *cli) explainVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "explain [MEASURE]",
		Args:              arguments(0, 1, "explain [MEASURE]"),
		ValidArgsFunction: completeMeasure,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listMeasures(c.stdout)
			}
			found := judge.Explain(args[0])
			if len(found) == 0 {
				return misuse(fmt.Errorf("there is no measure %q", args[0]), `"squall explain" lists those that there are`)
			}
			for i, m := range found {
				if i > 0 {
					fmt.Fprintln(c.stdout)
				}
				fmt.Fprint(c.stdout, explained(m))
			}
			return nil
		},
	}
	written(cmd, "explain a measure", explainHelp)
	return cmd
}

// measureName is a measure with what has it.
func measureName(m judge.Measure) string {
	return map[string]string{"": "", "window": "WINDOW.", "event": "event(e).", "workload": "workload(w).", "usage": "USAGE.", "hpa": "hpa(h).", "node": "node(n)."}[m.Of] + m.Name
}

// listMeasures shows each measure with its type and an example.
func listMeasures(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "MEASURE\tTYPE\tEXAMPLE")
	for _, m := range judge.Measures() {
		fmt.Fprintf(out, "%s\t%s\t%s\n", measureName(m), m.Type, m.Example)
	}
	return out.Flush()
}

// explained is all that there is to say of a measure.
func explained(m judge.Measure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n\n%s\n\n", measureName(m), m.Type, folded(strings.NewReplacer("`", "", "*", "").Replace(m.Says), 80))
	if m.Single {
		b.WriteString("With several loads it is asked of one: load(\"browse\") before the window.\n\n")
	}
	fmt.Fprintf(&b, "for example: %s\n", m.Example)
	return b.String()
}

// folded is a text in lines of at most so many characters, indented.
func folded(text string, width int) string {
	var lines []string
	line := " "
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != " " {
			lines, line = append(lines, line), " "
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

// completeMeasure completes the name of a measure.
func completeMeasure(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, m := range judge.Measures() {
		name, _, _ := strings.Cut(m.Name, "(")
		if m.Of != "" && m.Of != "window" {
			name = m.Of + "." + name
		}
		names = append(names, name)
	}
	if len(args) > 0 {
		names = nil
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

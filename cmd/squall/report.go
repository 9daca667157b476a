package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"squall/reports"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const reportHelp = `Show the verdicts of recorded runs. Decides nothing; exits 0 whatever the verdicts are.

Usage:
  squall report RUN... [FLAGS]

  RUN   the folder of a run, such as runs/pod-kill-20260102-150405-ab12

Flags:
  --format text|json|junit    default text
  -o, --output FILE           write to FILE instead of standard output

What is no run, or was never judged, is named on standard error and left out.

Try it:
  squall report runs/* --format junit -o squall.xml
`

func (c *cli) reportVerb() *cobra.Command {
	var format, output string
	formats := []string{"text", "json", "junit"}
	cmd := &cobra.Command{
		Use:               "report RUN...",
		Args:              arguments(1, -1, "report RUN..."),
		ValidArgsFunction: completeFolder,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(formats, format) {
				return misuse(fmt.Errorf("there is no format %q", format), "choose one of "+strings.Join(formats, ", "))
			}
			verdicts, err := c.readVerdicts(args)
			if err != nil {
				return err
			}
			if output == "" {
				return c.show(c.stdout, format, verdicts)
			}
			return c.writeReport(output, format, verdicts)
		},
	}
	written(cmd, "show the verdicts of recorded runs", reportHelp)
	cmd.Flags().StringVar(&format, "format", "text", "text, json or junit")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write to")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// readVerdicts reads the verdicts of runs. In the folder of records there are
// also runs that were killed before they were judged, and other things: these
// are left out, unless nothing else was named.
func (c *cli) readVerdicts(dirs []string) ([]reports.Verdict, error) {
	verdicts := make([]reports.Verdict, 0, len(dirs))
	var without []error
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			return nil, checkRun(dir) // a name written wrong
		}
		v, err := readVerdict(dir)
		var none *noVerdict
		switch {
		case errors.As(err, &none):
			without = append(without, none.failure)
		case err != nil:
			return nil, err
		default:
			verdicts = append(verdicts, v)
		}
	}
	switch {
	case len(verdicts) == 0 && len(without) == 1:
		return nil, without[0]
	case len(verdicts) == 0:
		return nil, misuse(errors.Join(without...), `"squall judge RUN" judges a run`)
	}
	for _, err := range without {
		c.say("left out: " + err.Error())
	}
	return verdicts, nil
}

// noVerdict is the failure to read the verdict of what is no run or was never
// judged.
type noVerdict struct{ failure error }

func (n *noVerdict) Error() string { return n.failure.Error() }
func (n *noVerdict) Unwrap() error { return n.failure }

// readVerdict reads the verdict of a run.
func readVerdict(dir string) (reports.Verdict, error) {
	if err := checkRun(dir); err != nil {
		return reports.Verdict{}, &noVerdict{err}
	}
	v, err := reports.ReadVerdict(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return reports.Verdict{}, &noVerdict{misuse(fmt.Errorf("the run %s was never judged", dir), fmt.Sprintf("%q does that", "squall judge "+dir))}
	}
	if err != nil {
		return reports.Verdict{}, misuse(err, fmt.Sprintf("%q makes it again", "squall judge "+dir))
	}
	return v, nil
}

// show writes verdicts in a format.
func (c *cli) show(w io.Writer, format string, verdicts []reports.Verdict) error {
	switch format {
	case "json":
		return reports.JSON(w, verdicts)
	case "junit":
		return reports.JUnit(w, verdicts)
	}
	return c.showText(w, verdicts)
}

// showText writes verdicts for people, as wide as the terminal.
func (c *cli) showText(w io.Writer, verdicts []reports.Verdict) error {
	opt := reports.TextOptions{}
	if f, ok := w.(*os.File); ok && isTerminal(w) {
		opt.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		opt.Width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			opt.Width = width
		}
	}
	return reports.Text(w, verdicts, opt)
}

// writeReport writes verdicts into a file, over the one that may be there.
func (c *cli) writeReport(file, format string, verdicts []reports.Verdict) error {
	var out bytes.Buffer
	if err := c.show(&out, format, verdicts); err != nil {
		return err
	}
	_, absent := os.Lstat(file)
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		return misuse(fmt.Errorf("write the report: %w", err))
	}
	if absent != nil {
		c.giveBack(file)
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/spf13/cobra"
)

const judgeHelp = `Judge a recorded run again, from its record alone. Needs no cluster and no root.

Usage:
  squall judge RUN [FLAGS]

  RUN   the folder of a run, such as runs/pod-kill-20260102-150405-ab12

Flags:
  --scenario FILE        judge by this scenario file, or one that ships, instead of
                         the copy in RUN/scenario.yaml
  --expect 'NAME=CEL'    put CEL in the place of the expectation NAME, or add one of
                         that name; may be given several times

Judged by its own scenario, unchanged, the run's verdict.json is written again.
With a flag, or after an edit of RUN/scenario.yaml, the verdict is only shown.
The exit code is the verdict's: 0 pass, 1 fail, 3 inconclusive, 4 error.

Try it:
  squall judge runs/pod-kill-20260102-150405-ab12 \
    --expect 'healed=event("kill").healed <= duration("1s")'
`

// judging is what "squall judge" was asked for.
type judging struct {
	dir      string
	scenario string
	expect   []string
}

func (c *cli) judge() *cobra.Command {
	var j judging
	cmd := &cobra.Command{
		Use:               "judge RUN",
		Args:              arguments(1, 1, "judge RUN"),
		ValidArgsFunction: completeFolder,
		RunE: func(_ *cobra.Command, args []string) error {
			j.dir = args[0]
			return c.judgeRun(j)
		},
	}
	written(cmd, "judge a recorded run again", judgeHelp)
	cmd.Flags().StringVar(&j.scenario, "scenario", "", "scenario to judge by")
	cmd.Flags().StringArrayVar(&j.expect, "expect", nil, "expectation to put in, NAME=CEL")
	return cmd
}

func (c *cli) judgeRun(j judging) error {
	rec, err := openRecord(j.dir)
	if err != nil {
		return err
	}
	s, err := j.load(rec)
	if err != nil {
		return err
	}
	v := judge.Judge(s, rec)
	if s.Digest() == rec.Header.Digest {
		if err := reports.WriteVerdict(j.dir, v); err != nil {
			return err
		}
	} else {
		c.say("judged by another scenario than the run's own: the verdict is shown and not kept")
	}
	if err := c.showText(c.stdout, []reports.Verdict{v}); err != nil {
		return err
	}
	return ended(judge.ExitCode(v))
}

// load is the scenario to judge a record by.
func (j judging) load(rec *reports.Record) (*scenarios.Scenario, error) {
	name := j.scenario
	if name == "" {
		name = filepath.Join(j.dir, reports.FileScenario)
		if !strings.ContainsRune(name, filepath.Separator) {
			name = "." + string(filepath.Separator) + name
		}
	}
	files, err := loadScenarios([]string{name})
	if err != nil {
		return nil, err
	}
	s, err := twinNamed(files[0], rec.Header.Twin)
	if err != nil {
		return nil, err
	}
	for _, text := range j.expect {
		if err := putExpectation(s, text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// putExpectation replaces or adds one expectation, written "name=CEL".
func putExpectation(s *scenarios.Scenario, text string) error {
	name, that, ok := strings.Cut(text, "=")
	if !ok || name == "" || that == "" {
		return misuse(fmt.Errorf("--expect %q is not NAME=CEL", text), `for example --expect 'few lost=fault.lost <= 10'`)
	}
	e := scenarios.Expectation{Name: name, That: that}
	if err := judge.Check(s, e); err != nil {
		return misuse(fmt.Errorf("--expect %q: %w", name, err), "docs/measures.md describes the expressions")
	}
	for i := range s.Spec.Expect {
		if s.Spec.Expect[i].Name == name {
			s.Spec.Expect[i] = e
			return nil
		}
	}
	s.Spec.Expect = append(s.Spec.Expect, e)
	return nil
}

// openRecord opens the record of a run.
func openRecord(dir string) (*reports.Record, error) {
	if err := checkRun(dir); err != nil {
		return nil, err
	}
	rec, err := reports.Open(dir)
	if err != nil {
		return nil, misuse(err, "the record cannot be judged as it is")
	}
	return rec, nil
}

// checkRun refuses what is not the folder of a run.
func checkRun(dir string) error {
	const hint = `runs are kept in the folder that "squall run --runs" names, by default ./runs`
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return misuse(fmt.Errorf("there is no run %s", dir), hint)
	case err != nil:
		return misuse(fmt.Errorf("open the run: %w", err), hint)
	case !info.IsDir():
		return misuse(fmt.Errorf("%s is a file; a run is a folder", dir), hint)
	}
	if _, err := os.Stat(filepath.Join(dir, reports.FileRecord)); errors.Is(err, fs.ErrNotExist) {
		return misuse(fmt.Errorf("%s is no run: it holds no %s", dir, reports.FileRecord), hint)
	}
	return nil
}

// completeFolder completes folders.
func completeFolder(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/suite"

	"github.com/spf13/cobra"
)

const benchVerdictsHelp = `Run a scenario and its twins on several providers and hold the verdicts side by side.

Usage:
  squall bench verdicts [SCENARIO|FILE] [FLAGS]

  SCENARIO   a scenario that ships with Squall, or a file; default pod-kill

Flags:
  --rounds N   how often each provider runs them all; default 3
  --on LIST    providers, separated by a comma; default embedded,kind
  --seed N     the seed that choices are drawn from, the same in all runs; default 1
  --runs DIR   keep records in DIR; default ./runs

Providers take turns, so that all of them see the same machine. The table is Markdown;
of figures the median is shown, with the least and the largest. Nothing is run again,
and interrupted it shows what there is. A round of pod-kill takes five to eight minutes.

Try it:
  sudo squall bench verdicts --rounds 1
`

// verdictBench is what "squall bench verdicts" was asked for.
type verdictBench struct {
	rounds    int
	providers []string
	running   running
}

func (c *cli) benchVerdicts() *cobra.Command {
	b := verdictBench{running: running{twins: true}}
	cmd := &cobra.Command{
		Use:               "verdicts [SCENARIO|FILE]",
		Args:              arguments(0, 1, "bench verdicts"),
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.check(); err != nil {
				return err
			}
			files, err := loadScenarios(append(args, "pod-kill")[:1])
			if err != nil {
				return err
			}
			return c.compareVerdicts(cmd.Context(), b, files[0])
		},
	}
	written(cmd, "hold the verdicts of several providers side by side", benchVerdictsHelp)
	flags := cmd.Flags()
	flags.IntVar(&b.rounds, "rounds", 3, "how often each provider runs them all")
	flags.StringSliceVar(&b.providers, "on", []string{embedded.Name, kind.Name}, "providers")
	flags.Uint64Var(&b.running.seed, "seed", 1, "seed that choices are drawn from")
	flags.StringVar(&b.running.runs, "runs", "runs", "folder to keep records in")
	return cmd
}

func (b verdictBench) check() error {
	var errs []error
	if b.rounds < 1 {
		errs = append(errs, fmt.Errorf("--rounds %d: at least one", b.rounds))
	}
	if len(b.providers) == 0 {
		errs = append(errs, errors.New("--on: no provider; there are "+embedded.Name+", "+kind.Name))
	}
	for i, on := range b.providers {
		if on == autoProvider || slices.Contains(b.providers[:i], on) {
			errs = append(errs, fmt.Errorf("--on %s: each provider once and by its name", strings.Join(b.providers, ",")))
			continue
		}
		errs = append(errs, checkProvider(on))
	}
	r := b.running
	r.on = autoProvider
	if errs = append(errs, r.checkOutputs()); r.runs == "" {
		errs = append(errs, errors.New("--runs needs a folder"))
	}
	if err := errors.Join(errs...); err != nil {
		return misuse(err, `"squall bench verdicts --help" shows the flags`)
	}
	return nil
}

// compareVerdicts runs a file's scenario and twins on each provider by turns.
func (c *cli) compareVerdicts(ctx context.Context, b verdictBench, f *scenarios.File) error {
	options := make([]suite.Options, len(b.providers))
	for i, on := range b.providers {
		r := b.running
		r.on = on
		var err error
		if options[i], err = c.suiteOptions(ctx, r); err != nil {
			return err
		}
	}
	all, err := c.collectVerdicts(ctx, b.rounds, f, options)
	if len(all) > 0 {
		fmt.Fprint(c.stdout, verdictTable(b.providers, all))
	}
	if err != nil {
		return notMade(err)
	}
	return context.Cause(ctx)
}

// collectVerdicts is every verdict there was, also when a run failed or ctx ended.
func (c *cli) collectVerdicts(ctx context.Context, rounds int, f *scenarios.File, options []suite.Options) ([]reports.Verdict, error) {
	var all []reports.Verdict
	for round := range rounds {
		for _, o := range options {
			result, err := c.runOwned(ctx, f, o)
			for _, v := range result.Verdicts {
				c.say(fmt.Sprintf("%d of %d: %-8s %s: %s", round+1, rounds, v.Provider, caseOf(v), outcomeOf(v)))
			}
			all = append(all, result.Verdicts...)
			if err != nil || ctx.Err() != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// caseOf names the scenario or the twin of a verdict.
func caseOf(v reports.Verdict) string {
	if v.Twin == "" {
		return v.Scenario
	}
	return v.Scenario + ", twin " + v.Twin
}

// outcomeOf is what a run came to; of a twin also whether it broke as it should.
func outcomeOf(v reports.Verdict) string {
	switch {
	case v.Designed == nil:
		return string(v.Outcome)
	case *v.Designed:
		return string(v.Outcome) + " as designed"
	}
	return string(v.Outcome) + ", not as designed"
}

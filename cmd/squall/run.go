package main

import (
	"context"
	"errors"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/catalog"
	"squall/scenarios/suite"

	"github.com/spf13/cobra"
)

const runHelp = `Run scenarios and their twins, each on a cluster of its own, and judge them.

Usage:
  squall run [SCENARIO|FILE...] [FLAGS]
  squall run --replay RUN [FLAGS]

  SCENARIO   a scenario that ships with Squall, such as pod-kill
  FILE       the path of a scenario file, with a slash or .yaml in it
             Without any, all that ship are run.

Flags:
  --seed N                the seed that choices are drawn from; default 1
  --twins                 run the twins, which must break, too; this is the default
  --no-twins              run the scenarios alone
  --calm                  run the calm control instead: scenario and twins without
                          faults; shows twins that their patch alone breaks
  --replay RUN            do again what the recorded run RUN did: its scenario or twin, on
                          what made its cluster, at its times, with its victims
                          by role and ordinal
  --runs DIR              keep records in DIR; default ./runs
  --json FILE             write the verdicts to FILE as JSON
  --junit FILE            write the verdicts to FILE as JUnit XML, for CI
  --on-inconclusive WHAT  what a run that proves nothing comes to, instead of exit
                          code 3: fail counts it as 1, ignore as 0, retry:N tries
                          up to N times more, N from 1 to 10
  --on WHAT               what makes the clusters: embedded, which needs Linux and root;
                          kind, which needs Docker; or auto, the default: embedded as
                          root on Linux, else kind
  --node-image IMAGE      make nodes from an image that kind's project published and not
                          from Squall's own: "published" for the one that is nearest to
                          it, or any that is pinned by its digest; only with --on kind
  --keep                  leave each cluster up, for a look at it; implies --no-twins
  --debug-no-inject       do everything but inject the faults; never a pass

Exit code: 0 all pass and all twins break as designed, 1 a promise is broken or a
twin is not as designed, 2 misuse or an invalid scenario, 3 inconclusive, 4 Squall's
own fault. Interrupted once, a run undoes its faults, judges what there is and
leaves; twice, it leaves at once and the clusters remove themselves.

Try it:
  sudo squall run pod-kill
  sudo squall run ./mine.yaml --seed 7 --junit squall.xml
`

// running is what "squall run" was asked for.
type running struct {
	seed               uint64
	twins, noTwins     bool
	twinsAsked         bool // --twins is not only what happens anyway
	calm               bool
	runs, json, junit  string
	inconclusive, on   string
	nodeImage, replay  string
	seedAsked, onAsked bool
	keep, noInject     bool
}

func (c *cli) run() *cobra.Command {
	var r running
	cmd := &cobra.Command{
		Use:               "run [SCENARIO|FILE...]",
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.twinsAsked = r.twins && cmd.Flags().Changed("twins")
			r.seedAsked, r.onAsked = cmd.Flags().Changed("seed"), cmd.Flags().Changed("on")
			if err := errors.Join(r.checkReplay(args), r.check()); err != nil {
				return misuse(err, `"squall run --help" shows the flags`)
			}
			if r.replay != "" {
				return c.runReplay(cmd.Context(), r)
			}
			return c.runAll(cmd.Context(), r, args)
		},
	}
	written(cmd, "run scenarios and judge them", runHelp)
	flags := cmd.Flags()
	flags.Uint64Var(&r.seed, "seed", 1, "seed that choices are drawn from")
	flags.BoolVar(&r.twins, "twins", true, "run the twins too") // what happens anyway, to be written out in CI
	flags.BoolVar(&r.noTwins, "no-twins", false, "run the scenarios alone")
	flags.BoolVar(&r.calm, "calm", false, "run the calm control")
	flags.StringVar(&r.replay, "replay", "", "recorded run to do again")
	flags.StringVar(&r.runs, "runs", "runs", "folder to keep records in")
	flags.StringVar(&r.json, "json", "", "file for the verdicts as JSON")
	flags.StringVar(&r.junit, "junit", "", "file for the verdicts as JUnit XML")
	flags.StringVar(&r.inconclusive, "on-inconclusive", "", "fail, ignore or retry:N")
	flags.BoolVar(&r.keep, "keep", false, "leave the clusters up")
	flags.BoolVar(&r.noInject, "debug-no-inject", false, "do not inject the faults")
	addNodeImageFlag(cmd, &r.nodeImage)
	addProviderFlag(cmd, &r.on)
	_ = cmd.RegisterFlagCompletionFunc("on-inconclusive",
		cobra.FixedCompletions([]string{"fail", "ignore", "retry:1"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// runAll runs scenarios one after the other and exits with the worst outcome.
func (c *cli) runAll(ctx context.Context, r running, names []string) error {
	if len(names) == 0 {
		names = catalog.List()
	}
	files, err := loadScenarios(names)
	if err != nil {
		return err
	}
	opt, err := c.suiteOptions(ctx, r)
	if err != nil {
		return err
	}
	all, err := c.runFiles(ctx, files, opt)
	return c.conclude(r, all, err)
}

// ran is what came of all files.
type ran struct {
	verdicts []reports.Verdict // for reports: also what stands for those that are missing
	code     int
}

// runFiles runs files one after the other until one has no verdict or ctx ends.
func (c *cli) runFiles(ctx context.Context, files []*scenarios.File, opt suite.Options) (ran, error) {
	all := ran{code: exitDone}
	for i, f := range files {
		result, err := c.runSuite(ctx, f, opt)
		all.verdicts = append(append(all.verdicts, result.Verdicts...), result.Missing...)
		all.code = worse(all.code, result.Code)
		if err == nil && ctx.Err() == nil {
			continue
		}
		for _, never := range files[i+1:] {
			all.verdicts = append(all.verdicts, suite.NotRun(never, opt)...)
		}
		return all, err
	}
	return all, nil
}

// conclude writes the reports that were asked for, also when something failed,
// and ends with the worst that is known. A report that cannot be written hides
// no verdict: it decides the code only when all else is well.
func (c *cli) conclude(r running, all ran, err error) error {
	unwritten := c.writeVerdicts(r, all.verdicts)
	if err == nil && unwritten == nil {
		return ended(all.code)
	}
	if all.code == exitDone {
		all.code = exitError
	}
	var known *failure
	var hints []string
	if errors.As(notMade(err), &known) {
		hints = known.hints
	}
	if len(all.verdicts) == 0 && errors.Is(err, cluster.ErrSpec) {
		all.code = exitMisuse // the scenario is invalid, and nothing was started
	}
	return &failure{code: all.code, err: errors.Join(err, unwritten), hints: hints}
}

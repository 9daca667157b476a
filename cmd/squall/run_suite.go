package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"squall/cluster/kind"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/run"
	"squall/scenarios/suite"
)

// check refuses flags that make no sense.
func (r running) check() error {
	errs := []error{checkProvider(r.on), checkNodeImage(r.nodeImage, r.on), suite.CheckOnInconclusive(r.inconclusive)}
	if r.keep && r.calm {
		errs = append(errs, errors.New("--keep and --calm cannot go together: the calm control makes several clusters"))
	}
	if r.twinsAsked && r.noTwins {
		errs = append(errs, errors.New("--twins and --no-twins contradict each other"))
	}
	if r.twinsAsked && r.keep {
		errs = append(errs, errors.New("--twins and --keep contradict each other: --keep runs the scenario alone"))
	}
	if r.runs == "" {
		errs = append(errs, errors.New("--runs needs a folder"))
	}
	return errors.Join(append(errs, r.checkOutputs())...)
}

// suiteOptions are the options of every suite of this command.
func (c *cli) suiteOptions(ctx context.Context, r running) (suite.Options, error) {
	maker, cache, err := c.maker(ctx, r.on)
	if err != nil {
		return suite.Options{}, err
	}
	if maker.name == kind.Name {
		maker.provider = kind.New(cache).WithNodeImage(nodeImageRef(r.nodeImage))
	}
	self, err := os.Executable()
	if err != nil {
		return suite.Options{}, fmt.Errorf("find the load generator, which is squall itself: %w", err)
	}
	_, images := builders(cache, nil) // the run shows their progress
	return suite.Options{
		Options: run.Options{
			Seed: r.seed, Version: squallVersion(), Runs: r.runs,
			Provider: maker, ProviderName: maker.name, Images: images,
			Traffic:  []string{self, trafficVerb},
			Flags:    []string{self, flagsVerb},
			NoInject: r.noInject, Keep: r.keep,
		},
		Twins: r.twins && !r.noTwins && !r.keep, Calm: r.calm,
		OnInconclusive: r.inconclusive, Unfit: isUnfit,
	}, nil
}

// runSuite runs one scenario with its twins and shows what came of it.
func (c *cli) runSuite(ctx context.Context, f *scenarios.File, opt suite.Options) (suite.Result, error) {
	live := reports.NewLive(c.stderr, isTerminal(c.stderr))
	opt.Live = live
	result, err := c.runOwned(ctx, f, opt)
	live.Close()
	return result, errors.Join(err, c.showResult(result))
}

// runOwned runs one scenario with its twins, whose records are the caller's also
// under sudo.
func (c *cli) runOwned(ctx context.Context, f *scenarios.File, opt suite.Options) (suite.Result, error) {
	_, absent := os.Lstat(opt.Runs)
	result, err := suite.Run(ctx, f, opt)
	if errors.Is(absent, fs.ErrNotExist) {
		c.giveBack(opt.Runs) // it was made here, so all in it is ours
	}
	for _, made := range result.Made {
		c.giveBack(made)
	}
	return result, err
}

// showResult writes verdicts, twins that prove nothing and where records are.
func (c *cli) showResult(result suite.Result) error {
	if len(result.Verdicts) > 0 {
		if err := c.showText(c.stdout, result.Verdicts); err != nil {
			return err
		}
		fmt.Fprintln(c.stdout)
	}
	twins := make([]string, 0, len(result.Vacuous))
	for twin := range result.Vacuous {
		twins = append(twins, twin)
	}
	slices.Sort(twins)
	for _, twin := range twins {
		for _, name := range result.Vacuous[twin] {
			fmt.Fprintf(c.stdout, "twin %q proves nothing about %q: its patch alone breaks it, without any fault\n", twin, name)
		}
	}
	for _, dir := range result.Dirs {
		if dir == "" {
			continue // a calm run from before, whose record is gone
		}
		fmt.Fprintln(c.stdout, "record: "+filepath.Clean(dir))
	}
	return nil
}

// writeVerdicts writes the reports that were asked for.
func (c *cli) writeVerdicts(r running, verdicts []reports.Verdict) error {
	var errs []error
	for format, file := range map[string]string{"json": r.json, "junit": r.junit} {
		if file != "" {
			errs = append(errs, c.writeReport(file, format, verdicts))
		}
	}
	return errors.Join(errs...)
}

// worse is the worse of two exit codes, by the design's order.
func worse(a, b int) int {
	order := []int{exitError, exitFail, exitInconclusive, exitDone}
	if slices.Index(order, a) <= slices.Index(order, b) {
		return a
	}
	return b
}

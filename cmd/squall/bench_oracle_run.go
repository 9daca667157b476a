package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios/judge"
	"squall/scenarios/suite"
)

// oracleSet is a case and how many conclusive runs of it there are to be.
type oracleSet struct {
	oracleCase
	runs int
}

// missing are the seeds of the runs that the set lacks. An inconclusive run has
// another in its place, with the next seed; as many of those are made as conclusive
// ones are asked for, and then no more.
func (s oracleSet) missing(runs []oracleRun, first uint64) []uint64 {
	var conclusive int
	known := map[uint64]bool{}
	for _, r := range lastJudged(runs) {
		if r.oracleCase != s.oracleCase {
			continue
		}
		if known[r.Seed] = true; r.conclusive() {
			conclusive++
		}
	}
	lacks := min(s.runs-conclusive, 2*s.runs-len(known))
	var seeds []uint64
	for seed := first; len(seeds) < lacks; seed++ {
		if !known[seed] {
			seeds = append(seeds, seed)
		}
	}
	return seeds
}

// oracleJob is a run to be made.
type oracleJob struct {
	oracleCase
	seed uint64
}

// oracleJobs are the runs that are missing, and how long they take about. Those of
// sets with the same timers take turns, so that all of them see the same machine.
func oracleJobs(sets []oracleSet, runs []oracleRun, first uint64, sideBySide int) ([]oracleJob, time.Duration) {
	type turn struct {
		oracleJob
		group, round int
	}
	var turns []turn
	for i, s := range sets {
		group := slices.IndexFunc(sets[:i+1], func(other oracleSet) bool { return other.Timers == s.Timers })
		for round, seed := range s.missing(runs, first) {
			turns = append(turns, turn{oracleJob{s.oracleCase, seed}, group, round})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Or(a.group-b.group, a.round-b.round) })
	var jobs []oracleJob
	free := make([]time.Duration, sideBySide) // when each place is free
	for _, t := range turns {
		jobs = append(jobs, t.oracleJob)
		free[slices.Index(free, slices.Min(free))] += t.length()
	}
	return jobs, slices.Max(free)
}

// runOracle makes the missing runs, and those that stand for inconclusive ones,
// until there are none, ctx ends, or no cluster can be made.
func (c *cli) runOracle(ctx context.Context, b oracleBench, file *os.File, runs *[]oracleRun) error {
	jobs, about := oracleJobs(b.sets(), *runs, b.running.seed, b.sideBySide)
	if len(jobs) == 0 {
		return nil
	}
	options, err := c.suiteOptions(ctx, b.running)
	if err != nil {
		return err
	}
	for len(jobs) > 0 && err == nil && ctx.Err() == nil {
		c.say(fmt.Sprintf("%d runs, about %s with %d side by side", len(jobs), about.Round(time.Second), b.sideBySide))
		err = sideBySide(ctx, b.sideBySide, jobs, func(ctx context.Context, job oracleJob) (oracleRun, error) {
			return c.oracleRun(ctx, b, job, options)
		}, func(left int, run oracleRun) error {
			*runs = append(*runs, run)
			c.say(fmt.Sprintf("%d left: %s", left, run))
			return keepOracleRun(file, run)
		})
		jobs, about = oracleJobs(b.sets(), *runs, b.running.seed, b.sideBySide)
	}
	return err
}

// sideBySide makes runs, at most n at once, and hands each to keep, one at a time,
// as it ends, with how many are left. It begins no more once one could not be made
// or kept, or ctx has ended. A run that was cut short by the end of ctx is not kept:
// it shows nothing, and is to be made again.
func sideBySide(ctx context.Context, n int, jobs []oracleJob, once func(context.Context, oracleJob) (oracleRun, error), keep func(int, oracleRun) error) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	left := len(jobs)
	next := func() (oracleJob, bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(jobs) == 0 || failed != nil || ctx.Err() != nil {
			return oracleJob{}, false
		}
		job := jobs[0]
		jobs = jobs[1:]
		return job, true
	}
	for range n {
		all.Go(func() {
			for job, more := next(); more; job, more = next() {
				run, err := once(ctx, job)
				mu.Lock()
				left--
				if err == nil && (ctx.Err() == nil || run.conclusive()) {
					err = keep(left, run)
				}
				if err != nil && failed == nil && ctx.Err() == nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

// oracleRun makes one run. The error says that no run can be made here.
func (c *cli) oracleRun(ctx context.Context, b oracleBench, job oracleJob, options suite.Options) (oracleRun, error) {
	f, err := job.scenario(job.seed)
	if err != nil {
		return oracleRun{}, err
	}
	instead, err := job.told()
	if err != nil {
		return oracleRun{}, err
	}
	options.Seed = job.seed
	options.Flags = append(slices.Clone(options.Flags), instead...)
	result, err := c.runOwned(ctx, f, options)
	run := oracleRun{
		oracleCase: job.oracleCase, Seed: job.seed, Delay: job.delay(job.seed), Squall: squallVersion(),
		Provider: options.ProviderName, SideBySide: b.sideBySide,
	}
	if len(result.Verdicts) == 0 {
		if err == nil || isUnfit(err) {
			return run, err
		}
		run.Outcome, run.Reasons = reports.Error, []string{err.Error()}
		return run, nil
	}
	return run.judged(result.Verdicts[0], result.Dirs[0]), nil
}

// judged is the run with what a verdict says of it.
func (r oracleRun) judged(v reports.Verdict, dir string) oracleRun {
	r.Kubernetes, r.Record, r.Outcome, r.Reasons, r.Took = v.Kubernetes, filepath.Base(dir), v.Outcome, v.Reasons, v.Took
	r.Readings, r.Unpredicted = readingsOf(v)
	return r
}

// String says in one line what came of a run.
func (r oracleRun) String() string {
	text := fmt.Sprintf("%s, seed %d: %s", r.oracleCase, r.Seed, r.Outcome)
	for _, p := range r.Readings {
		text += ", " + p.Measure + " " + readingOf(p)
	}
	return text
}

// String names the case.
func (k oracleCase) String() string {
	text := k.Kind + ", " + k.Timers + " timers"
	if k.Shift != "" {
		text += ", in truth --" + k.Shift
	}
	return text
}

// readingOf says what was measured, and whether that is outside.
func readingOf(p reports.Predicted) string {
	switch {
	case p.Measured == nil:
		return "not measured"
	case !p.Inside:
		return reports.Duration(*p.Measured) + " (outside)"
	}
	return reports.Duration(*p.Measured)
}

// judgeOracleRuns judges the runs again whose records are there, and keeps those of
// which another thing is said than before.
func (c *cli) judgeOracleRuns(b oracleBench, file *os.File, runs *[]oracleRun) error {
	var absent, changed int
	all := lastJudged(*runs)
	for _, run := range all {
		dir := filepath.Join(b.running.runs, run.Record)
		if run.Record == "" || checkRun(dir) != nil {
			absent++
			continue
		}
		rec, err := openRecord(dir)
		if err != nil {
			return err
		}
		s, err := judging{dir: dir}.load(rec)
		if err != nil {
			return err
		}
		now := run.judged(judge.Judge(s, rec), dir)
		now.Again, now.Squall = true, squallVersion()
		if now.Outcome == run.Outcome && reflect.DeepEqual(now.Readings, run.Readings) {
			continue
		}
		changed++
		*runs = append(*runs, now)
		if err := keepOracleRun(file, now); err != nil {
			return err
		}
	}
	c.say(fmt.Sprintf("%d runs were judged again, %d otherwise than before; of %d there is no record", len(all)-absent, changed, absent))
	return nil
}

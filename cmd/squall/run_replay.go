package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/plan"
)

// replay is a recorded run that is to be followed.
type replay struct {
	rec  *reports.Record
	dir  string
	name string // of the record's folder
	was  string // its verdict, empty when it was never judged
	plan plan.Plan
}

// checkReplay refuses flags that a recorded run answers itself.
func (r running) checkReplay(args []string) error {
	if r.replay == "" {
		return nil
	}
	var errs []error
	if len(args) > 0 {
		errs = append(errs, fmt.Errorf("--replay runs the scenario of its record, so %q cannot be run with it", args[0]))
	}
	for flag, given := range map[string]bool{"seed": r.seedAsked, "twins": r.twinsAsked, "calm": r.calm} {
		if given {
			errs = append(errs, fmt.Errorf("--replay and --%s contradict each other: the record says what was run", flag))
		}
	}
	return errors.Join(errs...)
}

// openReplay reads what is to be followed.
func openReplay(dir string) (*replay, error) {
	rec, err := openRecord(dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, reports.FilePlan))
	if err != nil {
		return nil, misuse(err, "the run cannot be followed without its plan")
	}
	planned, err := plan.Parse(text)
	if err != nil {
		return nil, misuse(fmt.Errorf("%s: %w", dir, err), "the run cannot be followed without its plan")
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	followed := &replay{rec: rec, dir: dir, name: filepath.Base(whole), plan: planned.Following(victimsOf(rec))}
	if v, err := reports.ReadVerdict(dir); err == nil {
		followed.was = string(v.Outcome)
	}
	return followed, nil
}

// victimsOf are the victims of the record's events, by role and ordinal.
func victimsOf(rec *reports.Record) map[string][]plan.Candidate {
	hit := map[string][]plan.Candidate{}
	for _, e := range rec.Entries {
		if e.Event == nil || e.Event.Stage != reports.StageInjected {
			continue
		}
		for _, v := range e.Event.Victims {
			hit[e.Event.Name] = append(hit[e.Event.Name], plan.Candidate{Role: v.Role, Ordinal: v.Ordinal})
		}
	}
	return hit
}

// runReplay follows a recorded run and holds both verdicts side by side.
func (c *cli) runReplay(ctx context.Context, r running) error {
	followed, err := openReplay(r.replay)
	if err != nil {
		return err
	}
	s, err := judging{dir: followed.dir}.load(followed.rec)
	if err != nil {
		return err
	}
	h := followed.rec.Header
	if !r.onAsked {
		r.on = h.Provider
	}
	r.seed, r.calm, r.noTwins = h.Seed, h.Calm, true
	opt, err := c.suiteOptions(ctx, r)
	if err != nil {
		return err
	}
	opt.Replay, opt.ReplayOf = &followed.plan, followed.name
	all, err := c.runFiles(ctx, []*scenarios.File{{Scenario: s}}, opt)
	if n := len(all.verdicts); err == nil && n > 0 && followed.was != "" {
		fmt.Fprintf(c.stdout, "replay of %s: it was %s, this is %s\n", followed.name, followed.was, all.verdicts[n-1].Outcome)
	}
	return c.conclude(r, all, err)
}

// Package suite runs a scenario together with its twins, or all of them calm,
// and says with which code a command that did so exits.
//
// A single run is squall/scenarios/run's, a single verdict
// squall/scenarios/judge's. What is added here is what only several runs can
// tell: that the checks are able to fail (twins), that the fault is what makes
// them fail (the calm control), and what to make of runs that prove nothing.
package suite

import (
	"context"
	"errors"
	"fmt"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/scenarios/run"
)

// Options say what to run and how.
type Options struct {
	// Options are those of every single run; their Calm is set by the suite.
	run.Options
	// Twins has the twins run after the scenario.
	Twins bool
	// Calm runs the calm control instead: the scenario and its twins with the
	// timeline off, to find twins that their patch alone breaks.
	Calm bool
	// OnInconclusive says what an inconclusive run comes to; see
	// [CheckOnInconclusive].
	OnInconclusive string
	// Unfit tells whether the error of a run says that the host cannot make
	// clusters, which proves nothing and is not Squall's fault. Nil means never.
	Unfit func(error) bool
}

// Result is what came of the runs, in the order in which they were made.
type Result struct {
	// Verdicts are all verdicts, of every attempt; Dirs are the folders of their
	// records, one each. A calm result that was kept from before stands with the
	// others; its folder is empty when the record is gone. The Vacuous and
	// Uncounted of the verdicts are filled in.
	Verdicts []reports.Verdict
	Dirs     []string
	// Made are the files and folders that were made here, records among them.
	Made []string
	// Repeated are the places in Verdicts of inconclusive attempts that were made
	// again. They do not count for Code.
	Repeated []int
	// Missing stand, in reports for machines, for the scenario and the twins that
	// came to no verdict: each has its name and a reason.
	Missing []reports.Verdict
	// Vacuous are, by the twin's name, the expectations that its patch alone
	// breaks: the twin proves nothing about the fault. Twins without any are
	// absent. It is known from the calm control, also from one that was kept.
	Vacuous map[string][]string
	// Code is what a command that did this exits with: 0, 1, 3 or 4.
	Code int
}

// Run runs the scenario of a file and, if asked for, its twins, one after the
// other, each on a cluster of its own: they would take each other's processor
// time, and with it the honesty of the load. It ends at the first run without a
// verdict, whose error it returns together with what there is, and when ctx
// ends.
func Run(ctx context.Context, f *scenarios.File, o Options) (Result, error) {
	return start(ctx, f, o, run.Run)
}

// runner is [run.Run].
type runner func(context.Context, *scenarios.Scenario, run.Options) (string, reports.Verdict, error)

// start is [Run] with what makes a single run.
func start(ctx context.Context, f *scenarios.File, o Options, runs runner) (Result, error) {
	p, err := parsePolicy(o.OnInconclusive)
	if err != nil {
		return Result{Code: codeError}, err
	}
	s := &suite{options: o, policy: p, run: runs, kept: keep{folder: o.Runs, version: o.Version, provider: o.ProviderName}}
	s.options.Options.Calm = o.Calm
	s.result.Vacuous = map[string][]string{}
	todo := planned(f, o)
	for _, one := range todo {
		if err = s.settle(ctx, one); err != nil || ctx.Err() != nil {
			break
		}
	}
	s.result.Missing = missing(todo[len(s.settled):], o, err)
	s.findVacuous(f, todo[1:])
	s.ignore()
	s.result.Code = s.code(ctx, err)
	return s.result, err
}

// planned is what a suite runs, in order.
func planned(f *scenarios.File, o Options) []*scenarios.Scenario {
	todo := []*scenarios.Scenario{f.Scenario}
	if o.Twins || o.Calm {
		todo = append(todo, f.Twins...)
	}
	return todo
}

// NotRun stand for the scenario and the twins of a file that a command never
// came to, like [Result.Missing].
func NotRun(f *scenarios.File, o Options) []reports.Verdict {
	return missing(planned(f, o), o, nil)
}

// missing stand for what came to no verdict: the first because of err, if there
// is one, the others because of what was before.
func missing(those []*scenarios.Scenario, o Options, err error) []reports.Verdict {
	var vs []reports.Verdict
	for i, one := range those {
		v := reports.Verdict{
			Scenario: one.Metadata.Name, Twin: one.Twin, Calm: o.Calm, Breaks: one.Breaks,
			Provider: o.ProviderName, Seed: o.Seed,
			Outcome: reports.Inconclusive, Reasons: []string{"it was not run: the command ended before"},
		}
		if i == 0 && err != nil {
			v.Reasons = []string{"it came to no verdict: " + err.Error()}
			if !o.unfit(err) && !errors.Is(err, context.Canceled) {
				v.Outcome = reports.Error
			}
		}
		v.Reason = fmt.Sprintf("%s: %s; run it again.", v.Outcome, v.Reasons[0])
		vs = append(vs, v)
	}
	return vs
}

// suite is a suite on its way.
type suite struct {
	options Options
	policy  policy
	run     runner
	kept    keep
	result  Result
	// settled are the places of the verdicts that count: the last of each
	// scenario or twin.
	settled []int
}

// settle brings about the verdict on one scenario or twin that counts.
func (s *suite) settle(ctx context.Context, one *scenarios.Scenario) error {
	if s.options.Calm {
		if dir, v, ok := s.kept.read(one.Digest()); ok {
			s.say("%s: unchanged since its calm run, whose verdict stands", title(one))
			s.note(dir, v)
			s.settled = append(s.settled, len(s.result.Verdicts)-1)
			return nil
		}
	}
	for attempt := 0; ; attempt++ {
		s.say("%s", s.heading(one, attempt))
		dir, v, err := s.run(ctx, one, s.options.Options)
		if dir != "" {
			s.result.Made = append(s.result.Made, dir)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", title(one), err)
		}
		s.note(dir, v)
		last := len(s.result.Verdicts) - 1
		again := v.Outcome == reports.Inconclusive && attempt < s.policy.retries && ctx.Err() == nil
		if !again {
			if err := s.keepCalm(one, dir, v); err != nil {
				return err
			}
			s.settled = append(s.settled, last)
			return nil
		}
		s.result.Verdicts[last].Uncounted = "it was inconclusive, and run again"
		s.result.Repeated = append(s.result.Repeated, last)
	}
}

// note adds a verdict to the result.
func (s *suite) note(dir string, v reports.Verdict) {
	s.result.Verdicts = append(s.result.Verdicts, v)
	s.result.Dirs = append(s.result.Dirs, dir)
}

// keepCalm keeps what a calm run found, when that was sound.
func (s *suite) keepCalm(one *scenarios.Scenario, dir string, v reports.Verdict) error {
	sound := v.Outcome == reports.Pass || v.Outcome == reports.Fail
	if !s.options.Calm || !sound {
		return nil
	}
	made, err := s.kept.write(one.Digest(), dir, v)
	s.result.Made = append(s.result.Made, made...)
	return err
}

// ignore marks the inconclusive verdicts that are to count as nothing.
func (s *suite) ignore() {
	if s.policy.code != codeGood {
		return
	}
	for _, i := range s.settled {
		if v := &s.result.Verdicts[i]; v.Outcome == reports.Inconclusive {
			v.Uncounted = "it was inconclusive, which is to be ignored"
		}
	}
}

// findVacuous holds calm twins against the calm scenario: those of these runs,
// or those that were kept of the same scenario.
func (s *suite) findVacuous(f *scenarios.File, twins []*scenarios.Scenario) {
	_, calm, ok := s.kept.read(f.Scenario.Digest())
	if !ok {
		return
	}
	for _, twin := range twins {
		_, calmTwin, ok := s.kept.read(twin.Digest())
		if !ok {
			continue
		}
		if names := judge.Vacuous(calm, calmTwin, twin.Breaks); len(names) > 0 {
			s.result.Vacuous[twin.Twin] = names
			s.markVacuous(twin.Twin, names)
			s.say("%s: its patch alone breaks %q, without the fault: it proves nothing", title(twin), names)
		}
	}
}

// markVacuous notes in the last verdict on a twin, or in what stands for it,
// what its patch alone breaks.
func (s *suite) markVacuous(twin string, names []string) {
	for i := range s.result.Missing {
		if s.result.Missing[i].Twin == twin {
			s.result.Missing[i].Vacuous = names
		}
	}
	for _, i := range s.settled {
		if s.result.Verdicts[i].Twin == twin {
			s.result.Verdicts[i].Vacuous = names
		}
	}
}

// title names a scenario or a twin for people.
func title(one *scenarios.Scenario) string {
	if one.Twin == "" {
		return fmt.Sprintf("scenario %q", one.Metadata.Name)
	}
	return fmt.Sprintf("scenario %q, twin %q", one.Metadata.Name, one.Twin)
}

// heading begins the showing of a run.
func (s *suite) heading(one *scenarios.Scenario, attempt int) string {
	text := title(one)
	if s.options.Calm {
		text += ", calm"
	}
	if attempt > 0 {
		text += fmt.Sprintf(", again after an inconclusive run (%d of %d)", attempt, s.policy.retries)
	}
	return text
}

func (s *suite) say(format string, args ...any) {
	if s.options.Live != nil {
		s.options.Live.Say(fmt.Sprintf(format, args...))
	}
}

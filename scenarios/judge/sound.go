package judge

import (
	"fmt"
	"slices"
	"strings"

	"squall/reports"
	"squall/scenarios"
)

// What a load may do at most before it says nothing about the system: the
// design's bounds.
const (
	maxSkipped = 0.001                     // share of what was due in a phase
	maxLagP99  = 50 * reports.Offset(1e6)  // of a phase
	maxLag     = 500 * reports.Offset(1e6) // of any second, hence of any request
	maxLate    = 500 * reports.Offset(1e6) // of an injection after its planned moment
)

// faults are what is Squall's own fault: troubles inside it, faults that it
// left behind, a record that contradicts itself.
func (r *run) faults() (all []string) {
	for _, t := range r.troubles {
		switch t.Class {
		case reports.TroubleInternal:
			all = append(all, t.What)
		case reports.TroubleEnvironment, reports.TroubleGenerator, reports.TroubleInterrupted:
		default:
			all = append(all, fmt.Sprintf("the record has trouble of an unknown class %q: %s", t.Class, t.What))
		}
	}
	all = append(all, r.flaws...)
	all = append(all, r.leftovers()...)
	if r.header.Calm && r.aborted != nil {
		all = append(all, "the record contradicts itself: the run was calm, and it was aborted")
	}
	for _, phase := range r.twice {
		all = append(all, fmt.Sprintf("the record contradicts itself: phase %q began twice", phase))
	}
	for i := 1; i < len(phases); i++ {
		if _, begun := r.starts[phases[i]]; begun && !r.begins(i) {
			all = append(all, fmt.Sprintf("the record contradicts itself: phase %q began without, or before, phase %q", phases[i], phases[i-1]))
		}
	}
	if r.header.Scenario != r.scenario.Metadata.Name {
		all = append(all, fmt.Sprintf("the record is of scenario %q and not of %q", r.header.Scenario, r.scenario.Metadata.Name))
	}
	if twin := r.scenario.Twin; twin != "" && twin != r.header.Twin {
		all = append(all, fmt.Sprintf("the record is of twin %q and not of %q", r.header.Twin, twin))
	}
	return all
}

// leftovers are lasting faults that are not proven gone.
func (r *run) leftovers() (all []string) {
	for _, s := range r.steps {
		if r.header.Calm && s.begun {
			all = append(all, fmt.Sprintf("the record contradicts itself: the run was calm, and event %q was injected", s.name))
		}
		undone := s.has(reports.StageUndone)
		switch {
		case s.has(reports.StageLeft):
			all = append(all, fmt.Sprintf("event %q is not undone: %s", s.name, s.details[reports.StageLeft]))
		case s.lasting && s.begun && !undone && r.complete && !r.cut():
			all = append(all, fmt.Sprintf("event %q was never undone", s.name))
		}
	}
	return all
}

// cut tells whether the run was interrupted.
func (r *run) cut() bool {
	return slices.ContainsFunc(r.troubles, func(t reports.TroubleEntry) bool {
		return t.Class == reports.TroubleInterrupted
	})
}

// doubts are all reasons why the run proves nothing about the system.
func (r *run) doubts() (all []doubt) {
	for _, t := range r.troubles {
		switch t.Class {
		case reports.TroubleEnvironment, reports.TroubleGenerator:
			all = append(all, doubt{fmt.Sprintf("%s: %s", t.Class, t.What), "put that right and run it again"})
		case reports.TroubleInterrupted:
			all = append(all, doubt{fmt.Sprintf("%s: %s", t.Class, t.What), nextWhole})
		}
	}
	if len(r.header.Flags) > 0 {
		all = append(all, doubt{"debug switches were on: " + strings.Join(r.header.Flags, ", "), "run it again without them"})
	}
	if r.truncated {
		all = append(all, doubt{"the record is cut off in the middle of a line", nextWhole})
	} else if !r.complete {
		all = append(all, doubt{"the record has no end: the run was killed", nextWhole})
	}
	for _, phase := range phases {
		if _, ok := r.starts[phase]; !ok && r.aborted == nil {
			all = append(all, doubt{fmt.Sprintf("the run did not get to its phase %q", phase), nextWhole})
		}
	}
	all = append(all, doubtsOf(r.gaveUp(), "look at what the condition asks for, or give it longer, and run it again")...)
	all = append(all, doubtsOf(r.toothless(), "look at what the event was aimed at, put that right and run it again")...)
	all = append(all, doubtsOf(r.untimely(), nextRoom)...)
	for _, load := range r.strangers {
		all = append(all, doubt{fmt.Sprintf("the record has requests of a load %q that the scenario has not", load),
			"judge it by the scenario that was run"})
	}
	for _, s := range r.loads {
		all = append(all, doubtsOf(s.books(), "run it again")...)
		all = append(all, doubtsOf(r.punctual(s), "run it again")...)
		all = append(all, doubtsOf(r.addressed(s), "run it again")...)
		for _, phase := range r.told() {
			all = append(all, doubtsOf(r.honest(s, phase), nextRoom)...)
			all = append(all, doubtsOf(r.exhausted(s, phase), nextHost)...)
		}
	}
	return all
}

// told are the windows in which a load must have been honest: of a run that was
// aborted also what there is of its last phase.
func (r *run) told() []string {
	if r.aborted != nil {
		return append(slices.Clone(phases[:4]), "run")
	}
	return phases[:4]
}

// toothless are the timeline entries that did not prove that they bit.
func (r *run) toothless() (all []string) {
	if r.header.Calm {
		return nil
	}
	for _, s := range r.steps {
		unlisted := !slices.Contains(eventNames(r.scenario), s.name)
		switch {
		case unlisted:
			all = append(all, fmt.Sprintf("the record has an event %q that the scenario has not", s.name))
		case !s.enabled && s.begun:
			all = append(all, fmt.Sprintf("event %q was injected although the scenario has it switched off", s.name))
		case !s.enabled, r.aborted != nil: // an abort leaves out what was to come, and cuts proofs off
		case s.waits && s.has(reports.StageExpired) && !s.begun: // see gaveUp
		case s.waits && s.begun && !s.has(reports.StageTriggered):
			all = append(all, fmt.Sprintf("event %q was injected, and nothing says that its condition had become true", s.name))
		case s.bitten() && !s.has(reports.StageFailed) && !s.has(reports.StageUnbitten):
		case s.has(reports.StageFailed):
			all = append(all, fmt.Sprintf("event %q could not be %s: %s", s.name, s.word("injected", "done"), s.details[reports.StageFailed]))
		case s.has(reports.StageUnbitten):
			all = append(all, fmt.Sprintf("event %q %s: %s", s.name, s.word("did not bite", "is not seen to be done"), s.details[reports.StageUnbitten]))
		case s.begun:
			all = append(all, fmt.Sprintf("event %q gave no proof that it %s", s.name, s.word("bit", "was done")))
		default:
			all = append(all, fmt.Sprintf("event %q was not injected", s.name))
		}
	}
	return all
}

// word is what is said of a fault, or of a step.
func (s *step) word(fault, step string) string {
	if s.action != "" {
		return step
	}
	return fault
}

// untimely are the timeline entries that came, or bit, when they should not: what
// is measured is then not what the scenario asks for.
func (r *run) untimely() (all []string) {
	over, ended := r.end(scenarios.PhaseRecovery)
	for _, s := range r.steps {
		begun, known := r.starts[s.at.Phase]
		planned, moment := begun+s.at.After, "its moment "+s.at.String()
		if s.waits {
			planned, known = s.stages[reports.StageTriggered], s.has(reports.StageTriggered)
			moment = "its condition had become true"
		}
		if s.begun && known && s.injected-planned > maxLate {
			all = append(all, fmt.Sprintf("event %q came late: it was injected %s after %s, more than %s",
				s.name, reports.Duration(s.injected-planned), moment, maxLate))
		}
		if bit := s.stages[reports.StageBitten]; s.bitten() && ended && bit > over {
			all = append(all, fmt.Sprintf("event %q bit too late: %s after the end of recovery, so its effect is not in what is measured",
				s.name, reports.Duration(bit-over)))
		}
	}
	return all
}

// books tells where the generator's own count and the record disagree.
func (s *series) books() (all []string) {
	say := func(format string, args ...any) {
		all = append(all, fmt.Sprintf("load %q: ", s.load.Name)+fmt.Sprintf(format, args...))
	}
	sent := int(s.sents[len(s.samples)])
	skips := len(s.samples) - sent
	seqs := make([]uint64, len(s.samples))
	for i, one := range s.samples {
		seqs[i] = one.seq
	}
	slices.Sort(seqs)
	if len(slices.Compact(seqs)) < len(s.samples) {
		say("requests are recorded twice")
	}
	if sent == 0 {
		say("not one request was sent")
	}
	c := s.closing
	switch {
	case c == nil:
		say("the generator did not say what became of it")
		return all
	case s.closings > 1:
		say("the generator closed it %d times", s.closings)
	case !c.Complete:
		say("the generator died before it could say what became of it")
	}
	if c.Planned != c.Sent+c.Skipped {
		say("planned %d is not sent %d + skipped %d", c.Planned, c.Sent, c.Skipped)
	}
	if c.Sent != uint64(sent) || c.Skipped != uint64(skips) {
		say("the generator counted %d sent and %d skipped, the record holds %d and %d", c.Sent, c.Skipped, sent, skips)
	}
	return all
}

// honest tells what was wrong with a load in one phase.
func (r *run) honest(s *series, phase string) (all []string) {
	w := loadView{r, s.load.Name}.phase(phase)
	if w.gone != nil {
		return nil
	}
	say := func(format string, args ...any) {
		all = append(all, fmt.Sprintf("load %q in phase %q: ", s.load.Name, phase)+fmt.Sprintf(format, args...))
	}
	goods, lost, skips := s.tally(w.from, w.to)
	due := goods + lost + skips
	// One less than the rate makes: where a phase begins and ends is rounded. What
	// legs make is counted in squall/scenarios/judge/legs.go.
	if least := int(float64(s.pace.Rate)*(w.to-w.from).Seconds()) - 1; due < least {
		say("%d requests were due, and the rate makes %d at least", due, least)
	}
	if float64(skips) > maxSkipped*float64(due) {
		say("%d of %d requests were skipped, more than 0.1 %%", skips, due)
	}
	lags := s.lags(w.from, w.to)
	if p99 := quantile(lags, 99); p99 > maxLagP99 {
		say("requests left late: the p99 of the send lag is %s, more than %s", reports.Duration(p99), maxLagP99)
	}
	if worst := quantile(lags, 100); worst > maxLag {
		say("a request left %s late, more than %s", reports.Duration(worst), maxLag)
	}
	return all
}

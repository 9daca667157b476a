package judge

import (
	"fmt"
	"slices"
	"strings"

	"squall/reports"
	"squall/scenarios"
)

// abortion is what ended a run early.
type abortion struct {
	at reports.Offset
	*reports.AbortEntry
}

// asOf is the run as it was at a moment, while it went on: what became of events
// later is left out, and requests are known as far as they were.
func (r *run) asOf(moment reports.Offset, known map[string]reports.Offset) *run {
	then := *r
	then.present, then.finished, then.known = true, moment, known
	then.steps = nil
	for _, s := range r.steps {
		one := *s
		one.stages = map[reports.Stage]reports.Offset{}
		for stage, at := range s.stages {
			if at <= moment {
				one.stages[stage] = at
			}
		}
		one.begun = one.has(reports.StageInjected)
		then.steps = append(then.steps, &one)
	}
	return &then
}

// abort holds what ended the run to the record: it is measured again, as the run
// was at that moment. A doubt says that the record does not bear it out.
func (r *run) abort() (told *reports.Aborted, doubts []doubt) {
	if r.aborted == nil {
		return nil, nil
	}
	a := r.aborted
	told = &reports.Aborted{Name: a.Name, That: a.That, At: a.at, Says: r.placed(a.at)}
	say := func(why, next string) []doubt {
		return []doubt{{fmt.Sprintf("the run was aborted by %q, and %s", a.Name, why), next}}
	}
	if !slices.ContainsFunc(r.scenario.Spec.Abort, func(e scenarios.Expectation) bool { return e.On() && e.Name == a.Name && e.That == a.That }) {
		return told, say("the scenario has no such condition", "judge it by the scenario that was run")
	}
	j, err := presentJury(r.asOf(a.at, a.Known))
	if err != nil {
		return told, say(err.Error(), nextAbsent)
	}
	compiled, err := compile(j.env, a.That)
	if err != nil {
		return told, say("its condition is wrong: "+err.Error(), nextAbsent)
	}
	told.Values = j.values(compiled)
	if value, err := j.evaluate(compiled); err != nil || value != true {
		return told, say(fmt.Sprintf("by the record %s was not true then: %s; the run learnt of it late", a.That, PartsText(told.Values)), nextRoom)
	}
	return told, nil
}

// fallen is why an aborted run fails, the condition first, and what is not back
// at its end.
func (r *run) fallen(a *reports.Aborted) []string {
	all := []string{fmt.Sprintf("%s: %s became true %s, so that the run was ended there: %s", a.Name, a.That, a.Says, PartsText(a.Values))}
	for _, name := range workloadNames(r.scenario) {
		if state, gone := (workloadView{run: r, name: name}).state(); gone == nil && state.Ready < state.Desired {
			all = append(all, fmt.Sprintf("workload %q did not come back: %d of %d pods were ready at the end", name, state.Ready, state.Desired))
		}
	}
	return all
}

// gaveUp are the timeline entries whose condition had not become true by their
// moment.
func (r *run) gaveUp() (all []string) {
	for _, s := range r.steps {
		if s.enabled && s.waits && s.has(reports.StageExpired) && !s.begun {
			all = append(all, fmt.Sprintf("event %q was never injected: %s", s.name, strings.TrimRight(s.details[reports.StageExpired], ". ")))
		}
	}
	return all
}

// begins tells whether a phase begins where it may: after the one before it, or,
// of a run that was aborted, quiet after any.
func (r *run) begins(i int) bool {
	after := r.starts[phases[i]]
	for before := i - 1; before >= 0; before-- {
		at, ok := r.starts[phases[before]]
		if ok {
			return at <= after
		}
		if r.aborted == nil || phases[i] != "quiet" {
			return false
		}
	}
	return false
}

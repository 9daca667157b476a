package judge

import (
	"slices"
	"strings"

	"squall/reports"
)

// detected is the time from the injection until the record shows one victim
// gone, going, or not ready.
func (w *window) detected() (reports.Offset, *absence) {
	if w.step == nil {
		return 0, w.gone
	}
	first, known := reports.Never, false
	for _, v := range w.run.lostPods(w.step) {
		known = known || len(w.run.pods[v.UID]) > 0
		if seen, ok := w.run.lossOf(v, w.step.injected); ok {
			first = min(first, seen.at)
		}
	}
	if !known {
		return 0, absent("the record does not show a victim of event %q", w.step.name)
	}
	return w.run.since(w.step, first)
}

// withdrawn is the time from the injection until the last Service that had a
// victim among its ready addresses has it no more.
func (w *window) withdrawn() (reports.Offset, *absence) {
	if w.step == nil {
		return 0, w.gone
	}
	last, known := reports.Offset(0), false
	for _, v := range w.run.lostPods(w.step) {
		namespace, pod, _ := strings.Cut(v.Pod, "/")
		for service, states := range w.run.endpoints {
			if strings.HasPrefix(service, namespace+"/") && had(states, pod, w.step.injected) {
				known = true
				last = max(last, goneFrom(states, pod, w.step.injected))
			}
		}
	}
	if !known {
		return 0, absent("no Service had a victim of event %q among its ready addresses", w.step.name)
	}
	return w.run.since(w.step, last)
}

// since is the time from the injection of s to at; [reports.Never] when at is
// after the end of quiet, and absent when the run did not get there.
func (r *run) since(s *step, at reports.Offset) (reports.Offset, *absence) {
	finished, whole := r.end("quiet")
	switch {
	case whole && at > finished:
		return reports.Never, nil
	case at == reports.Never:
		return 0, absent("the run ended before the cluster showed what became of event %q", s.name)
	}
	return at - s.injected, nil
}

// had tells whether a Service had a pod among its ready ones at a time.
func had(states []endpointState, pod string, at reports.Offset) bool {
	has := false
	for _, s := range states {
		if s.at > at {
			break
		}
		has = slices.Contains(s.Ready, pod)
	}
	return has
}

// goneFrom is when a Service first had a pod no more after a time.
func goneFrom(states []endpointState, pod string, after reports.Offset) reports.Offset {
	for _, s := range states {
		if s.at > after && !slices.Contains(s.Ready, pod) {
			return s.at
		}
	}
	return reports.Never
}

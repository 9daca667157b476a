package judge

import (
	"maps"
	"slices"

	"squall/reports"
)

// recovery is event(e).recovery; over several loads it is the longest.
func (w *window) recovery() (reports.Offset, *absence) {
	all, gone := w.series()
	if gone != nil {
		return 0, gone
	}
	origin := w.from
	if w.step.lasting {
		undone, ok := w.step.stages[reports.StageUndone]
		if !ok {
			return reports.Never, nil
		}
		origin = max(origin, undone)
	}
	longest := reports.Offset(0)
	for _, s := range all {
		took, ok := s.recovery(w.from, origin, w.to)
		if !ok {
			return 0, absent("load %q sent no request after the event", s.load.Name)
		}
		longest = max(longest, took)
	}
	return longest, nil
}

// impaired is the time from the injection to the proven undo: zero for an
// instant fault, [reports.Never] when it was not undone.
func (w *window) impaired() (reports.Offset, *absence) {
	if w.step == nil {
		return 0, w.gone
	}
	if !w.step.lasting {
		return 0, nil
	}
	undone, ok := w.step.stages[reports.StageUndone]
	if !ok {
		return reports.Never, nil
	}
	return undone - w.step.injected, nil
}

// healed is the time from the injection until every workload that lost a pod
// has as many ready pods as it wants again.
func (w *window) healed() (reports.Offset, *absence) {
	if w.step == nil {
		return 0, w.gone
	}
	if len(w.step.victims) == 0 {
		if w.step.action != "" {
			return 0, absent("event %q is a step and no fault: nothing is healed after it", w.step.name)
		}
		return 0, absent("event %q has no victims", w.step.name)
	}
	finished, ok := w.run.end("quiet")
	if !ok {
		finished = w.run.took
	}
	victims := w.run.lostPods(w.step)
	if len(victims) == 0 {
		return 0, absent("no pod of a workload was on the nodes that event %q hit", w.step.name)
	}
	lost := map[string]place{}
	var roles []string
	for _, v := range victims {
		seen, ok := w.run.lossOf(v, w.step.injected)
		if !ok {
			return 0, absent("the record does not show the loss of pod %s", v.Pod)
		}
		if known, again := lost[v.Role]; !again {
			roles, lost[v.Role] = append(roles, v.Role), seen
		} else if known.compare(seen) < 0 {
			lost[v.Role] = seen
		}
	}
	longest := reports.Offset(0)
	for _, role := range roles {
		at, gone := w.run.back(role, lost[role], finished)
		if gone != nil {
			return 0, gone
		}
		if at == reports.Never {
			if _, sound := w.run.end("quiet"); !sound {
				return 0, absent("the run ended before workload %q was whole again", role)
			}
			return reports.Never, nil
		}
		longest = max(longest, at-w.step.injected)
	}
	return longest, nil
}

// lostPods are the pods that an event took: its victims and, of victims that are
// nodes, the pods of workloads that were on them at the injection and not on
// their way out.
func (r *run) lostPods(s *step) []reports.Victim {
	var lost []reports.Victim
	for _, v := range s.victims {
		if v.Pod != "" {
			lost = append(lost, v)
			continue
		}
		for _, uid := range slices.Sorted(maps.Keys(r.pods)) {
			pod := r.podAt(uid, s.injected)
			if pod != nil && pod.Node == v.Node && pod.Role != "" && !pod.Deleted && !pod.Terminating {
				lost = append(lost, reports.Victim{Role: pod.Role, Pod: pod.Name, UID: uid, Node: pod.Node})
			}
		}
	}
	return lost
}

// podAt is what a pod was at an offset; nil when it was not there yet.
func (r *run) podAt(uid string, at reports.Offset) *reports.PodEntry {
	var last *reports.PodEntry
	for _, p := range r.pods[uid] {
		if p.at > at {
			break
		}
		last = p.PodEntry
	}
	return last
}

// lossOf is where the record first shows, not before the injection, that a
// victim is gone, going, or not ready. Until then the counts of its workload
// may still be those from before the fault.
func (r *run) lossOf(v reports.Victim, injected reports.Offset) (place, bool) {
	all := r.pods[v.UID]
	i := slices.IndexFunc(all, func(p podState) bool {
		return p.at >= injected && (p.Deleted || p.Terminating || !p.Ready)
	})
	if i < 0 {
		return place{}, false
	}
	return all[i].place, true
}

// back is the first offset after lost at which the role has as many ready pods
// as it wants, up to the end of quiet; [reports.Never] when it has not.
func (r *run) back(role string, lost place, finished reports.Offset) (reports.Offset, *absence) {
	short := false // the count shows the loss
	counted := false
	for _, s := range r.states[role] {
		if s.at > finished {
			break
		}
		if s.compare(lost) < 0 {
			short = s.Ready < s.Desired
			continue
		}
		counted = true
		if s.Ready >= s.Desired {
			return s.at, nil
		}
	}
	if !counted && !short {
		return 0, absent("the record does not show how workload %q took the loss of its pod", role)
	}
	return reports.Never, nil
}

// measure is an event as the reports show it.
func (s *step) measure(r *run) reports.EventMeasure {
	m := reports.EventMeasure{
		Name: s.name, Fault: s.fault, Step: s.action, At: s.injected, Bitten: s.bitten(),
		Evidence: s.details[reports.StageBitten], Victims: s.victims,
	}
	w := loadView{run: r}.event(s.name)
	if w.step == nil {
		return m
	}
	if healed, gone := w.healed(); gone == nil {
		m.Healed = &healed
	}
	if recovery, gone := w.recovery(); gone == nil {
		m.Recovery = &recovery
	}
	if rolled, gone := w.rolled(); gone == nil {
		m.Rolled = &rolled
	}
	if drained, gone := w.drained(); gone == nil {
		m.Drained, m.Undone = &drained, s.details[reports.StageUndone]
	}
	m.Predicted, m.Unpredicted = w.predict()
	return m
}

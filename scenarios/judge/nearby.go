package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"squall/reports"
)

const (
	// near is how far from a moment things are told.
	near = 2 * reports.Offset(1e9)
	// maxNear is how many of them are told: those that are nearest.
	maxNear = 12
	// maxLines is how many lines of logs are told.
	maxLines = 6
)

// around is a moment, and what the record shows around it.
func (r *run) around(at reports.Offset) *reports.Break {
	b := &reports.Break{At: at, Says: r.placed(at)}
	var all []reports.Nearby
	for _, one := range slices.Concat(r.phaseChanges(), r.stageChanges(), r.podChanges(), r.endpointChanges(), r.nodeChanges(), r.hpaChanges(), r.notices) {
		if (one.At - at).Abs() <= near {
			all = append(all, one)
		}
	}
	inOrder := func(a, b reports.Nearby) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.What, b.What)) }
	slices.SortFunc(all, func(a, b reports.Nearby) int {
		return cmp.Or(cmp.Compare((a.At-at).Abs(), (b.At-at).Abs()), inOrder(a, b))
	})
	if len(all) > maxNear {
		b.More, all = len(all)-maxNear, all[:maxNear]
	}
	slices.SortFunc(all, inOrder)
	b.Near, b.Log = all, r.logLines(at)
	return b
}

// logLines are lines of logs from around a moment: of pods of which something
// changed then, if there are any, and those that are nearest.
func (r *run) logLines(at reports.Offset) []reports.LogLine {
	changed := map[string]int{} // 0 for those of which nothing did
	for _, states := range r.pods {
		before := &reports.PodEntry{}
		for _, s := range states {
			if (s.at-at).Abs() <= near && podChange(before, s.PodEntry) != "" {
				changed[s.Name] = 1
			}
			before = s.PodEntry
		}
	}
	lines := r.logs(at-near, at+near)
	slices.SortStableFunc(lines, func(a, b reports.LogLine) int {
		return cmp.Or(-cmp.Compare(changed[a.Pod], changed[b.Pod]), cmp.Compare((a.At-at).Abs(), (b.At-at).Abs()))
	})
	lines = lines[:min(len(lines), maxLines)]
	slices.SortStableFunc(lines, func(a, b reports.LogLine) int { return cmp.Compare(a.At, b.At) })
	return lines
}

// placed says where a moment is: after the event that was injected last, or in
// its phase.
func (r *run) placed(at reports.Offset) string {
	var last *step
	for _, s := range r.steps {
		if s.begun && s.injected <= at && (last == nil || s.injected > last.injected) {
			last = s
		}
	}
	if last != nil {
		return reports.Duration(at-last.injected) + " after " + last.name
	}
	phase := ""
	for _, name := range phases {
		if begun, ok := r.starts[name]; ok && begun <= at {
			phase = name
		}
	}
	if phase == "" {
		return reports.Duration(at) + " into the run"
	}
	return reports.Duration(at-r.starts[phase]) + " into " + phase
}

func (r *run) phaseChanges() (all []reports.Nearby) {
	for name, at := range r.starts {
		all = append(all, reports.Nearby{At: at, What: "phase " + name + " begins"})
	}
	return all
}

func (r *run) stageChanges() (all []reports.Nearby) {
	for _, s := range r.steps {
		for stage, at := range s.stages {
			all = append(all, reports.Nearby{At: at, What: fmt.Sprintf("event %s: %s", s.name, stage)})
		}
	}
	return all
}

// podChanges are the moments at which a pod went, came, or began anew.
func (r *run) podChanges() (all []reports.Nearby) {
	for _, states := range r.pods {
		before := &reports.PodEntry{}
		for _, s := range states {
			if what := podChange(before, s.PodEntry); what != "" {
				all = append(all, reports.Nearby{At: s.at, What: "pod " + s.Name + ": " + what})
			}
			before = s.PodEntry
		}
	}
	return all
}

// podChange is what became of a pod between two states; empty when it is
// nothing that bears on its service.
func podChange(before, now *reports.PodEntry) string {
	var what []string
	say := func(really bool, words string) {
		if really {
			what = append(what, words)
		}
	}
	say(now.Deleted && !before.Deleted, "deleted")
	say(now.Terminating && !before.Terminating && !now.Deleted, "terminating")
	say(now.Restarts > before.Restarts, fmt.Sprintf("restarted, %d in all", now.Restarts))
	say(before.Ready && !now.Ready && !now.Deleted, "not ready")
	say(!before.Ready && now.Ready && !now.Deleted, "ready")
	say(before.Name == "" && !now.Ready && len(what) == 0, "new, not ready")
	if now.Reason != "" && len(what) > 0 {
		what = append(what, now.Reason)
	}
	return strings.Join(what, ", ")
}

// endpointChanges are the moments at which the ready pods of a Service changed.
func (r *run) endpointChanges() (all []reports.Nearby) {
	for service, states := range r.endpoints {
		var before []string
		for _, s := range states {
			var what []string
			for _, name := range s.Ready {
				if !slices.Contains(before, name) {
					what = append(what, "+"+name)
				}
			}
			for _, name := range before {
				if !slices.Contains(s.Ready, name) {
					what = append(what, "-"+name)
				}
			}
			if len(what) > 0 {
				all = append(all, reports.Nearby{At: s.at,
					What: fmt.Sprintf("endpoints of %s: %s, %d ready", service, strings.Join(what, " "), len(s.Ready))})
			}
			before = s.Ready
		}
	}
	return all
}

// nodeChanges are the moments at which a node was ready no more, or again, or took
// pods no more, or again.
func (r *run) nodeChanges() (all []reports.Nearby) {
	for name, states := range r.nodes {
		for i, s := range states {
			what := ""
			switch {
			case i == 0:
				continue // it was there before anything happened
			case s.Deleted && !states[i-1].Deleted:
				what = "deleted"
			case s.Ready != states[i-1].Ready && s.Ready:
				what = "ready"
			case s.Ready != states[i-1].Ready:
				what = strings.TrimSuffix("not ready, "+s.Reason, ", ")
			case s.Unschedulable != states[i-1].Unschedulable && s.Unschedulable:
				what = "takes no new pods"
			case s.Unschedulable != states[i-1].Unschedulable:
				what = "takes pods again"
			default:
				continue
			}
			all = append(all, reports.Nearby{At: s.at, What: "node " + name + ": " + what})
		}
	}
	return all
}

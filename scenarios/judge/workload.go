package judge

import (
	"squall/reports"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// workloadView is workload("x") in an expression.
type workloadView struct {
	run  *run
	name string
	over *window // the window before it; nil when it stands alone
}

func workloadFields() []field {
	count := func(name string, get func(workloadView) (int64, *absence)) field {
		return field{name: name, typ: types.IntType, get: func(target any) (ref.Val, *absence) {
			n, gone := get(target.(workloadView))
			return types.Int(n), gone
		}}
	}
	last := func(name string, get func(reports.WorkloadEntry) int) field {
		return count(name, func(v workloadView) (int64, *absence) {
			state, gone := v.state()
			return int64(get(state)), gone
		})
	}
	return append([]field{
		last("ready", func(s reports.WorkloadEntry) int { return s.Ready }),
		last("desired", func(s reports.WorkloadEntry) int { return s.Desired }),
		last("pods", func(s reports.WorkloadEntry) int { return s.Pods }),
		count("restarts", workloadView.restarts),
		count("least", func(v workloadView) (int64, *absence) {
			s, gone := v.extreme(func(ready, least int) bool { return ready < least })
			return int64(s.Ready), gone
		}),
		count("most", func(v workloadView) (int64, *absence) {
			s, gone := v.extreme(func(ready, most int) bool { return ready > most })
			return int64(s.Ready), gone
		}),
	}, usageOf()...)
}

// beginning is where what is looked at begins: with a window, or with warmup.
func (r *run) beginning(over *window) (reports.Offset, *absence) {
	if over != nil {
		return over.from, over.gone
	}
	from, begun := r.starts[phases[0]]
	if !begun {
		return 0, absent("the run did not get to its phase %q", phases[0])
	}
	return from, nil
}

// ending is where it ends: with a window, or with quiet.
func (r *run) ending(over *window) (reports.Offset, *absence) {
	if over != nil {
		return over.to, over.gone
	}
	finished, ok := r.end("quiet")
	if !ok {
		return 0, absent("the run did not get to the end of its phase \"quiet\"")
	}
	return finished, nil
}

// state is what the workload was at the end of what is looked at.
func (v workloadView) state() (reports.WorkloadEntry, *absence) {
	to, gone := v.run.ending(v.over)
	if gone != nil {
		return reports.WorkloadEntry{}, gone
	}
	var last *state
	for i := range v.run.states[v.name] {
		if s := &v.run.states[v.name][i]; s.at <= to {
			last = s
		}
	}
	if last == nil {
		return reports.WorkloadEntry{}, absent("the record does not show the state of workload %q", v.name)
	}
	return last.WorkloadEntry, nil
}

// extreme is the first state with the least, or the most, ready pods of those
// that the workload was in at any moment from the beginning to the end of what is
// looked at, both included.
func (v workloadView) extreme(beyond func(ready, than int) bool) (state, *absence) {
	from, gone := v.run.beginning(v.over)
	if gone != nil {
		return state{}, gone
	}
	to, gone := v.run.ending(v.over)
	if gone != nil {
		return state{}, gone
	}
	found, known := state{}, false
	for _, s := range v.run.states[v.name] {
		switch {
		case s.at <= from: // the last of these is the first
			found, known = s, true
		case s.at <= to && known && beyond(s.Ready, found.Ready):
			found = s
		}
	}
	if !known {
		return state{}, absent("the record does not show the state of workload %q at the beginning", v.name)
	}
	found.at = max(found.at, from)
	return found, nil
}

package judge

import (
	"strings"
	"time"

	"squall/reports"
	"squall/scenarios"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// hpaView is hpa("x") in an expression.
type hpaView struct {
	run  *run
	name string
	over *window // the window before it; nil when it stands alone
}

// hpaState is what an autoscaler was from a place on.
type hpaState struct {
	place
	*reports.HPAEntry
}

// asks is how many pods it asks for. As long as it could never tell what is
// needed, those that it found.
func (s hpaState) asks() int {
	if s.Desired == 0 && s.Min > 0 {
		return s.Current
	}
	return s.Desired
}

// looked tells whether its controller has looked at it, and it is still there.
func (s hpaState) looked() bool { return len(s.Conditions) > 0 && !s.Deleted }

// active tells whether it could read its metrics.
func (s hpaState) active() bool { return s.Condition("ScalingActive").Status == "True" }

// held tells whether it would have more pods than it may, or cannot scale.
func (s hpaState) held() bool {
	limited := s.Condition("ScalingLimited")
	return s.Condition("AbleToScale").Status == "False" ||
		limited.Status == "True" && (limited.Reason == "TooManyReplicas" || limited.Reason == "ScaleUpLimit")
}

func hpaFields() []field {
	count := func(name string, get func(hpaView) (int, *absence)) field {
		return field{name: name, typ: types.IntType, get: func(target any) (ref.Val, *absence) {
			n, gone := get(target.(hpaView))
			return types.Int(n), gone
		}}
	}
	took := func(name string, get func(hpaView) (reports.Offset, *absence)) field {
		return field{name: name, typ: types.DurationType, get: func(target any) (ref.Val, *absence) {
			d, gone := get(target.(hpaView))
			return types.Duration{Duration: d}, gone
		}}
	}
	return []field{
		count("desired", hpaView.desired),
		took("first_scale_up", hpaView.firstScaleUp), took("enough", hpaView.enough),
		count("overshoot", hpaView.overshoot), count("flaps", hpaView.flaps), count("unserved", hpaView.unserved),
	}
}

// span is where what is looked at begins and ends.
func (v hpaView) span() (from, to reports.Offset, gone *absence) {
	if from, gone = v.run.beginning(v.over); gone == nil {
		to, gone = v.run.ending(v.over)
	}
	return from, to, gone
}

// decisions are the states in which it was from the beginning to the end of what
// is looked at, both included: the first is that which it had at the beginning.
func (v hpaView) decisions() ([]hpaState, *absence) {
	from, to, gone := v.span()
	if gone != nil {
		return nil, gone
	}
	var all []hpaState
	for _, s := range v.run.hpas[v.name] {
		switch {
		case s.at <= from && s.looked():
			all = []hpaState{s}
		case s.at <= from:
			all = nil
		case s.at <= to:
			all = append(all, s)
		}
	}
	switch {
	case len(all) == 0:
		return nil, absent("the record does not show what autoscaler %q asks for", v.name)
	case all[0].at > from:
		return nil, absent("the record does not show what autoscaler %q asks for at the beginning", v.name)
	case !all[len(all)-1].looked():
		return nil, absent("autoscaler %q is not there any more at the end", v.name)
	}
	return all, nil
}

// desired is what it asks for at the end.
func (v hpaView) desired() (int, *absence) {
	to, gone := v.run.ending(v.over)
	if gone != nil {
		return 0, gone
	}
	last, known := hpaState{}, false
	for _, s := range v.run.hpas[v.name] {
		if s.at <= to {
			last, known = s, s.looked()
		}
	}
	if !known {
		return 0, absent("the record does not show what autoscaler %q asks for", v.name)
	}
	return last.asks(), nil
}

// firstScaleUp is the time until it asks for more than before.
func (v hpaView) firstScaleUp() (reports.Offset, *absence) {
	from, _, _ := v.span()
	all, gone := v.decisions()
	if gone != nil {
		return 0, gone
	}
	for i := 1; i < len(all); i++ {
		if all[i].asks() > all[i-1].asks() {
			return all[i].at - from, nil
		}
	}
	return reports.Never, nil
}

// settling is how long an autoscaler may take to answer to what its pods do:
// metrics-server needs two of its rounds for a rate, and the autoscaler looks once
// in its own.
func (r *run) settling() reports.Offset {
	resolution, sync := 15*time.Second, 15*time.Second
	if r.header.Timers == scenarios.TimersFast {
		resolution, sync = 10*time.Second, 5*time.Second
	}
	return 2*resolution + sync
}

// settled tells why what it asks for at the end need not be what the load needs.
func (v hpaView) settled(all []hpaState) *absence {
	from, to, _ := v.span()
	need := v.run.settling()
	if to-from < need {
		return absent("autoscaler %q need not have answered yet: what is looked at is shorter than %s", v.name, need)
	}
	for i := 1; i < len(all); i++ {
		if all[i].asks() > all[i-1].asks() && to-all[i].at < need {
			return absent("autoscaler %q asked for more %s before the end: it may not have settled, for which it has %s",
				v.name, reports.Duration(to-all[i].at), need)
		}
	}
	if !all[len(all)-1].active() {
		return absent("autoscaler %q could not read its metrics at the end", v.name)
	}
	return nil
}

// enough is the time until as many pods are ready as the load needs, for good.
func (v hpaView) enough() (reports.Offset, *absence) {
	from, to, _ := v.span()
	all, gone := v.decisions()
	if gone != nil {
		return 0, gone
	}
	last := all[len(all)-1]
	if last.held() || !anyActive(all) {
		return reports.Never, nil
	}
	if gone := v.settled(all); gone != nil {
		return 0, gone
	}
	_, target, _ := strings.Cut(last.Target, "/")
	since, known := reports.Never, false
	for _, s := range v.run.states[target] {
		switch {
		case s.at > to:
			continue
		case s.Ready < last.asks():
			since = reports.Never
		case since == reports.Never:
			since = max(s.at, from)
		}
		known = known || s.at <= from
	}
	switch {
	case !known:
		return 0, absent("the record does not show the state of workload %q, which autoscaler %q scales, at the beginning", target, v.name)
	case since == reports.Never:
		return reports.Never, nil
	}
	return since - from, nil
}

func anyActive(all []hpaState) bool {
	for _, s := range all {
		if s.active() {
			return true
		}
	}
	return false
}

// overshoot is by how much it asked for more than it does at the end.
func (v hpaView) overshoot() (int, *absence) {
	all, gone := v.decisions()
	if gone != nil {
		return 0, gone
	}
	if gone := v.settled(all); gone != nil {
		return 0, gone
	}
	last := all[len(all)-1]
	if last.Condition("AbleToScale").Reason == "ScaleDownStabilized" {
		return 0, absent("autoscaler %q would ask for less at the end, and waits with that", v.name)
	}
	return most(all).asks() - last.asks(), nil
}

// most is the first state in which it asks for the most.
func most(all []hpaState) hpaState {
	found := all[0]
	for _, s := range all {
		if s.asks() > found.asks() {
			found = s
		}
	}
	return found
}

// turns are the states with which it changed its direction.
func turns(all []hpaState) (found []hpaState) {
	before := 0 // the sign of the change before
	for i := 1; i < len(all); i++ {
		change := all[i].asks() - all[i-1].asks()
		if change*before < 0 {
			found = append(found, all[i])
		}
		if change != 0 {
			before = change
		}
	}
	return found
}

func (v hpaView) flaps() (int, *absence) {
	all, gone := v.decisions()
	return len(turns(all)), gone
}

// unserved counts the bad requests that were due before there was enough.
func (v hpaView) unserved() (int, *absence) {
	took, gone := v.enough()
	if gone != nil {
		return 0, gone
	}
	from, to, _ := v.span()
	over := &window{run: v.run, name: "the run"}
	if v.over != nil {
		copied := *v.over
		over = &copied
	}
	over.from, over.to = from, to
	switch goods, lost, _, gone := over.sum(); {
	case gone != nil:
		return 0, gone
	case goods+lost == 0:
		return 0, over.empty()
	}
	if took != reports.Never {
		over.to = from + took
	}
	_, lost, _, gone := over.sum()
	return lost, gone
}

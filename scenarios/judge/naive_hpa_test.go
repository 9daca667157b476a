package judge_test

import (
	"fmt"
	"slices"
	"time"

	"squall/reports"
)

// latest is what holds at a moment: what began last.
func latest[T any](all map[time.Duration]T, at time.Duration) (found T, known bool) {
	for ; at >= 0 && !known; at -= hpaTick {
		found, known = all[at]
	}
	return found, known
}

// scaling are all states of the autoscaler in a window, one a tick.
type scaling struct {
	script   *hpaScript
	from, to time.Duration
	asks     []int
	states   []reports.HPAEntry
	known    bool
}

func (s *hpaScript) scaling(from, to time.Duration) scaling {
	w := scaling{script: s, from: from, to: to, known: true}
	state, known := latest(s.hpa, from)
	for at := from; at <= to; at += hpaTick {
		if now, changed := s.hpa[at]; changed {
			state, known = now, true
		}
		edge := at == from || at == to
		if edge && (!known || state.Deleted || state.Conditions == nil) {
			w.known = false
		}
		asks := state.Desired
		if asks == 0 {
			asks = state.Current
		}
		w.asks, w.states = append(w.asks, asks), append(w.states, state)
	}
	return w
}

func (w scaling) says(tick int, kind, status string, reasons ...string) bool {
	return slices.ContainsFunc(w.states[tick].Conditions, func(c reports.HPACondition) bool {
		return c.Type == kind && c.Status == status && (len(reasons) == 0 || slices.Contains(reasons, c.Reason))
	})
}

func (w scaling) firstScaleUp() string {
	for i := 1; i < len(w.asks); i++ {
		if w.asks[i] > w.asks[i-1] {
			return duration(time.Duration(i) * hpaTick)
		}
	}
	return "never"
}

// unsettled: what it asks for at the end need not be what is needed.
func (w scaling) unsettled() bool {
	need := map[string]time.Duration{"stock": 45 * sec, "fast": 25 * sec}[w.script.timers]
	for i := 1; i < len(w.asks); i++ {
		left := time.Duration(len(w.asks)-1-i) * hpaTick
		if w.asks[i] > w.asks[i-1] && left < need {
			return true
		}
	}
	return w.to-w.from < need || !w.says(len(w.asks)-1, "ScalingActive", "True")
}

func (w scaling) enough() (took time.Duration, ok bool) {
	last, active := len(w.asks)-1, false
	for i := range w.asks {
		active = active || w.says(i, "ScalingActive", "True")
	}
	if !active || w.says(last, "AbleToScale", "False") || w.says(last, "ScalingLimited", "True", "TooManyReplicas", "ScaleUpLimit") {
		return reports.Never, true
	}
	if _, known := latest(w.script.ready, w.from); !known || w.unsettled() {
		return 0, false
	}
	took = reports.Never
	for at := w.to; at >= w.from; at -= hpaTick {
		if n, _ := latest(w.script.ready, at); n < w.asks[last] {
			break
		}
		took = at - w.from
	}
	return took, true
}

func (w scaling) overshoot() string {
	last := len(w.asks) - 1
	if w.unsettled() || w.says(last, "AbleToScale", "True", "ScaleDownStabilized") {
		return "absent"
	}
	return fmt.Sprint(slices.Max(w.asks) - w.asks[last])
}

func (w scaling) flaps() string {
	way, flaps := "", 0
	for i := 1; i < len(w.asks); i++ {
		now := way
		if w.asks[i] > w.asks[i-1] {
			now = "up"
		} else if w.asks[i] < w.asks[i-1] {
			now = "down"
		}
		if way != "" && now != way {
			flaps++
		}
		way = now
	}
	return fmt.Sprint(flaps)
}

func (w scaling) unserved() string {
	took, ok := w.enough()
	sent, lost := 0, 0
	for due, bad := range w.script.bad {
		if due >= w.from && due < w.to {
			sent++
			if bad && (took == reports.Never || due < w.from+took) {
				lost++
			}
		}
	}
	if !ok || sent == 0 {
		return "absent"
	}
	return fmt.Sprint(lost)
}

// truths of one window, by the measure.
func (w scaling) truths(expr, as string) (all []truth) {
	add := func(name string, want func() string) {
		all = append(all, truth{"hpa." + name, expr + "." + name, func() string {
			if !w.known {
				return "absent"
			}
			return want()
		}})
	}
	add("first_scale_up", w.firstScaleUp)
	add("enough", func() string {
		took, ok := w.enough()
		if !ok {
			return "absent"
		}
		return duration(took)
	})
	add("overshoot", w.overshoot)
	add("flaps", w.flaps)
	add("unserved", w.unserved)
	desired := func() string {
		last, known := latest(w.script.hpa, w.to)
		if !known || last.Deleted || last.Conditions == nil {
			return "absent"
		}
		return fmt.Sprint(w.asks[len(w.asks)-1])
	}
	return append(all, truth{"hpa.desired", expr + ".desired", desired}, truth{as, expr + ".desired", desired})
}

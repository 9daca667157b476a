package judge

import (
	"squall/reports"
)

// window is a stretch of a run, seen by one load or by all.
type window struct {
	run      *run
	load     string // empty: every load
	name     string // as an expression writes it
	from, to reports.Offset
	step     *step // set when it is the window of an event
	gone     *absence
	only     []only // what it is narrowed to
}

// loadView is load("x") in an expression, and all loads together when name is
// empty.
type loadView struct {
	run  *run
	name string
}

// phase is the window of one phase, and run from warmup to recovery.
func (v loadView) phase(name string) *window {
	w := &window{run: v.run, load: v.name, name: name}
	first, last := name, name
	if name == "run" {
		first, last = phases[0], "recovery"
	}
	begun, ok := v.run.starts[first]
	if !ok {
		w.gone = absent("the run did not get to its phase %q", first)
		return w
	}
	ended, ok := v.run.end(last)
	if !ok {
		w.gone = absent("the run ended inside its phase %q", last)
		return w
	}
	w.from, w.to = begun, ended
	return w
}

// event is the window from an event's injection to the end of recovery.
func (v loadView) event(name string) *window {
	w := &window{run: v.run, load: v.name, name: "event(" + name + ")"}
	s, gone := v.run.happened(name)
	if gone != nil {
		w.gone = gone
		return w
	}
	w.step = s
	ended, ok := v.run.end("recovery")
	switch {
	case !ok:
		w.gone = absent("the run ended before its recovery did")
	case ended < s.injected:
		w.gone = absent("event %q came after the end of recovery", name)
	}
	w.from, w.to = s.injected, ended
	return w
}

// between is the window from one event's injection to another's.
func (v loadView) between(one, other string) *window {
	w := &window{run: v.run, load: v.name, name: "window(" + one + ", " + other + ")"}
	a, gone := v.run.happened(one)
	if gone == nil {
		var b *step
		if b, gone = v.run.happened(other); gone == nil {
			w.from, w.to = a.injected, b.injected
			if w.to < w.from {
				gone = absent("event %q came after event %q", one, other)
			}
		}
	}
	w.gone = gone
	return w
}

// happened returns the event of that name, or why there was none.
func (r *run) happened(name string) (*step, *absence) {
	if r.header.Calm {
		return nil, &absence{why: "the run was calm: its timeline was off", calm: true}
	}
	for _, s := range r.steps {
		switch {
		case s.name != name:
		case s.begun:
			return s, nil
		case !s.enabled:
			return nil, absent("event %q is switched off", name)
		}
	}
	return nil, absent("event %q was not injected", name)
}

// series returns the loads that w sees.
func (w *window) series() ([]*series, *absence) {
	if w.gone != nil {
		return nil, w.gone
	}
	if w.load == "" {
		if len(w.run.loads) == 0 {
			return nil, absent("no load is switched on")
		}
		return w.narrowed(w.run.loads), nil
	}
	for _, s := range w.run.loads {
		if s.load.Name == w.load {
			return w.narrowed([]*series{s}), nil
		}
	}
	return nil, absent("load %q is switched off", w.load)
}

// sum counts over all loads that w sees.
func (w *window) sum() (goods, lost, skips int, gone *absence) {
	all, gone := w.series()
	for _, s := range all {
		a, b, c := s.tally(w.from, w.to)
		goods, lost, skips = goods+a, lost+b, skips+c
	}
	return goods, lost, skips, gone
}

// one returns the load that w sees, when it is one, and when it sent anything:
// a share of nothing is neither good nor bad.
func (w *window) one() (*series, *absence) {
	all, gone := w.series()
	if gone != nil {
		return nil, gone
	}
	if len(all) > 1 {
		return nil, absent("there are several loads: write load(\"…\") before it")
	}
	if goods, lost, _ := all[0].tally(w.from, w.to); goods+lost == 0 {
		return nil, w.empty()
	}
	return all[0], nil
}

func (w *window) empty() *absence {
	return absent("no request was sent in %s", w.name)
}

// count is requests, good, lost or skipped.
func (w *window) count(field string) (int, *absence) {
	goods, lost, skips, gone := w.sum()
	if gone != nil {
		return 0, gone
	}
	switch field {
	case "requests":
		return goods + lost, nil
	case "good":
		return goods, nil
	case "skipped":
		return skips, nil
	}
	if goods+lost == 0 { // nothing sent, nothing lost: that proves nothing
		return 0, w.empty()
	}
	return lost, nil
}

func (w *window) availability() (float64, *absence) {
	s, gone := w.one()
	if gone != nil {
		return 0, gone
	}
	goods, lost, _ := s.tally(w.from, w.to)
	return float64(goods) / float64(goods+lost), nil
}

func (w *window) worst(d reports.Offset) (float64, *absence) {
	s, gone := w.one()
	if gone != nil {
		return 0, gone
	}
	if d <= 0 {
		return 0, absent("worst(d) needs a d above zero")
	}
	if w.to-w.from < d {
		return 0, absent("%s is shorter than %s: it has no window of that length", w.name, d)
	}
	share, ok := s.worst(w.from, w.to, d)
	if !ok {
		return 0, w.empty()
	}
	return share, nil
}

func (w *window) longestOutage() (reports.Offset, *absence) {
	s, gone := w.one()
	if gone != nil {
		return 0, gone
	}
	return s.longestOutage(w.from, w.to), nil
}

func (w *window) latency(percent float64) (reports.Offset, *absence) {
	s, gone := w.one()
	if gone != nil {
		return 0, gone
	}
	if !(percent > 0 && percent <= 100) {
		return 0, absent("p(x) needs an x above 0 and up to 100")
	}
	return quantile(s.latencies(w.from, w.to), percent), nil
}

// measure is w as the reports show it, for one load.
func (s *series) measure(w *window) reports.WindowMeasure {
	goods, lost, skips := s.tally(w.from, w.to)
	latencies := s.latencies(w.from, w.to)
	m := reports.WindowMeasure{
		Window: w.name, Load: s.load.Name, From: w.from, To: w.to,
		Requests: uint64(goods + lost), Good: uint64(goods), Lost: uint64(lost), Skipped: uint64(skips),
		Availability: 1,
		P50:          quantile(latencies, 50), P90: quantile(latencies, 90),
		P99: quantile(latencies, 99), Max: quantile(latencies, 100),
		Outage:  s.longestOutage(w.from, w.to),
		LagP99:  quantile(s.lags(w.from, w.to), 99),
		Classes: s.classCounts(w),
	}
	if goods+lost > 0 {
		m.Availability = float64(goods) / float64(goods+lost)
	}
	return m
}

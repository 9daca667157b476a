package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/traffic"
)

// pollEvery is how often conditions are looked at that change with the time, as
// those on requests do. Others are looked at whenever something is recorded.
const pollEvery = 100 * time.Millisecond

// errAborted is why what was to come is left out.
var errAborted = errors.New("a condition of the scenario ended the run")

// conditions are those that a run waits for, and those that end it. They are
// looked at by a goroutine of their own: whoever records only leaves a copy.
type conditions struct {
	judged *judge.Conditions
	waits  map[string]chan reports.Offset // by timeline entry: gets its moment, or is closed
	polled bool
	wake   chan struct{}
	ending chan struct{}
	ended  chan struct{}

	mu     sync.Mutex
	queue  []reports.Entry
	sent   []sent
	fell   bool
	closed bool

	// From here on set by begin, and of the goroutine alone.
	clock  clock
	warmup reports.Offset
	from   reports.Offset            // when the timeline's conditions count
	by     map[string]reports.Offset // by timeline entry
	open   []*judge.Condition
	polls  reports.Offset // when the next look is due
	looked reports.Offset // when the last one was
	// triggered, expired and fall tell what came of a condition.
	triggered, expired func(at reports.Offset, one *judge.Condition, parts string)
	fall               func(at reports.Offset, one *judge.Condition, values []reports.Value)
}

// sent is a request of which the result has come.
type sent struct {
	load   string
	result traffic.Result
}

// newConditions are the conditions of a run; nil when it has none. A calm run has
// none: it is to show what happens by itself.
func newConditions(s *scenarios.Scenario, o Options) (*conditions, error) {
	if o.Calm {
		return nil, nil
	}
	judged, err := judge.NewConditions(s, o.Seed)
	if err != nil || len(judged.All()) == 0 {
		return nil, err
	}
	w := &conditions{
		judged: judged, waits: map[string]chan reports.Offset{}, open: slices.Clone(judged.All()),
		wake: make(chan struct{}, 1), ending: make(chan struct{}), ended: make(chan struct{}),
	}
	for _, one := range w.open {
		w.polled = w.polled || one.Polled
		if !one.Abort {
			w.waits[one.Name] = make(chan reports.Offset, 1)
		}
	}
	return w, nil
}

// request is told of each request. It never waits.
func (w *conditions) request(load string, r traffic.Result) {
	if w == nil || !w.polled {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.sent = append(w.sent, sent{load, r})
	}
}

// see is told of each entry of the record. It never waits.
func (w *conditions) see(e reports.Entry) {
	shows := judge.Shows(e.Kind)
	if w == nil || !shows && e.Kind != reports.KindPhase {
		return
	}
	w.mu.Lock()
	if !w.closed {
		w.queue = append(w.queue, e)
	}
	w.mu.Unlock()
	if shows {
		select {
		case w.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// watch looks at the conditions until none is open, ctx ends, or stop is called.
func (w *conditions) watch(ctx context.Context) {
	defer close(w.ended)
	defer w.close()
	for ctx.Err() == nil && len(w.open) > 0 {
		timer := time.NewTimer(w.next() - w.clock.now())
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
		case <-w.ending:
			timer.Stop()
			w.round(w.clock.now())
			return
		}
		timer.Stop()
		if ctx.Err() == nil {
			w.round(w.clock.now())
		}
	}
}

// close lets nothing more gather.
func (w *conditions) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.queue, w.sent = true, nil, nil
}

// next is when to look again, whatever is recorded.
func (w *conditions) next() reports.Offset {
	next := reports.Never / 2
	for _, one := range w.open {
		if one.Polled {
			next = min(next, w.polls)
		}
		if begins := w.begins(one); w.looked < begins { // it may be true by then
			next = min(next, begins)
		}
		if !one.Abort {
			next = min(next, w.by[one.Name]+1) // what is recorded at its moment still counts
		}
	}
	return next
}

// round takes what was recorded, entry by entry so that what is true for a moment
// only is seen, and then looks at now.
func (w *conditions) round(now reports.Offset) {
	w.mu.Lock()
	queue, results := w.queue, w.sent
	w.queue, w.sent = nil, nil
	w.mu.Unlock()
	for _, one := range results {
		w.judged.Request(one.load, one.result)
	}
	for i := range queue {
		e := &queue[i]
		if !judge.Shows(e.Kind) {
			w.judged.Take(e)
			continue
		}
		w.settle(e.At)
		w.judged.Take(e)
		w.look(e.At)
	}
	w.settle(now)
	w.look(now)
	w.polls = now + pollEvery
}

// settle ends the wait for conditions whose time was over before a moment.
func (w *conditions) settle(before reports.Offset) {
	var due []*judge.Condition
	for _, one := range w.open {
		if !one.Abort && w.by[one.Name] < before {
			due = append(due, one)
		}
	}
	slices.SortStableFunc(due, func(a, b *judge.Condition) int { return int(w.by[a.Name] - w.by[b.Name]) })
	for _, one := range due {
		by := w.by[one.Name]
		w.look(by) // it may have become true since the last look
		if !slices.Contains(w.open, one) {
			continue
		}
		w.drop(one)
		w.expired(by, one, judge.PartsText(w.judged.Parts(one)))
		close(w.waits[one.Name])
	}
}

// look tells of the conditions that are true at a moment. The first that ends the
// run is the last of all.
func (w *conditions) look(at reports.Offset) {
	w.judged.Advance(at)
	w.looked = at
	for _, one := range slices.Clone(w.open) {
		if at < w.begins(one) || !one.Abort && at > w.by[one.Name] || !w.judged.Holds(one) {
			continue
		}
		values := w.judged.Parts(one)
		if one.Abort {
			w.open = nil
			w.mu.Lock()
			w.fell = true
			w.mu.Unlock()
			w.fall(at, one, values)
			return
		}
		w.drop(one)
		w.triggered(at, one, judge.PartsText(values))
		w.waits[one.Name] <- at
	}
}

// begins is from when on a condition counts.
func (w *conditions) begins(one *judge.Condition) reports.Offset {
	if one.Abort {
		return w.warmup
	}
	return w.from
}

// drop ends the looking at a condition.
func (w *conditions) drop(one *judge.Condition) {
	w.open = slices.DeleteFunc(w.open, func(other *judge.Condition) bool { return other == one })
}

// wait waits until the condition of a timeline entry has become true, and returns
// when that was. It is false when it did not by its moment, or when ctx ended.
func (w *conditions) wait(ctx context.Context, name string) (reports.Offset, bool) {
	select {
	case at, ok := <-w.waits[name]:
		return at, ok && ctx.Err() == nil
	case <-ctx.Done():
		return 0, false
	}
}

// stop ends the looking, with a last look. A second stop does nothing.
func (w *conditions) stop() {
	if w == nil {
		return
	}
	select {
	case <-w.ending:
	default:
		close(w.ending)
	}
	<-w.ended
}

// aborted tells whether a condition has ended the run.
func (w *conditions) aborted() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fell
}

// describe is what is recorded of a condition that became true.
func describe(one *judge.Condition, parts string) string {
	return fmt.Sprintf("%s became true: %s", one.That, parts)
}

package traffic

import (
	"context"
	"time"
)

// maxNap is the end of a wait that is slept finely and that nothing interrupts.
const maxNap = 2 * time.Millisecond

// pacer is a vegeta.Pacer that holds every request back until it is due, and
// says stop when all were released or its context has ended.
//
// A pacer of vegeta's is to say how long to wait and vegeta then sleeps, but
// nothing interrupts that sleep. So this one waits itself and always answers
// "now".
type pacer struct {
	ctx   context.Context // the engine's interface leaves no other way in
	clock clock
	times timetable
	total uint64
	timer *time.Timer
	naps  napper
	// released is how many requests were let go; read it only after the engine
	// has ended.
	released uint64
}

// newPacer returns the pacer of a whole load.
func newPacer(ctx context.Context, times timetable, c clock) *pacer {
	return &pacer{ctx: ctx, clock: c, times: times, total: times.planned(), timer: time.NewTimer(0)}
}

// Pace implements vegeta.Pacer. Hits counts the requests released so far.
func (p *pacer) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	p.released = hits
	if hits >= p.total || p.ctx.Err() != nil {
		return 0, true
	}
	due := p.times.due(hits)
	if far := due - p.clock.now() - maxNap; far > 0 {
		p.timer.Reset(far)
		select {
		case <-p.timer.C:
		case <-p.ctx.Done():
			p.timer.Stop()
			return 0, true
		}
	}
	for wait := due - p.clock.now(); wait > 0; wait = due - p.clock.now() {
		p.naps.nap(wait)
	}
	return 0, p.ctx.Err() != nil
}

// Rate implements vegeta.Pacer.
func (p *pacer) Rate(passed time.Duration) float64 { return p.times.Rate(passed).PerSecond() }

// clock tells offsets of the run. It pairs the run's base with a reading of
// Go's own monotonic clock, which is cheaper to ask and comes with the times
// that vegeta returns.
type clock struct {
	at     time.Time     // a moment
	offset time.Duration // the same moment, as an offset of the run
}

// newClock returns the clock of the run whose offset zero is base.
func newClock(base int64) clock {
	return clock{at: time.Now(), offset: time.Duration(Monotonic() - base)}
}

// now is the present offset.
func (c clock) now() time.Duration { return c.offsetOf(time.Now()) }

// offsetOf turns a time that has a monotonic reading into an offset.
func (c clock) offsetOf(t time.Time) time.Duration { return c.offset + t.Sub(c.at) }

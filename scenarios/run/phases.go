package run

import (
	"context"
	"time"

	"squall/reports"
	"squall/scenarios"
)

const (
	// hold is how long service must have been good before it counts as
	// recovered, as in squall/scenarios/judge.
	hold = 3 * time.Second
	// margin is how much longer than hold the requests must be good before
	// recovery ends early, so that the record holds a whole hold for the judge,
	// who looks at them one by one.
	margin = time.Second
	// lookEvery is how often it is looked whether all is well. What is looked at
	// is a window that slides with the time, so there is nothing to be told by.
	lookEvery = 100 * time.Millisecond
)

// timedPhases goes through the phases that the plan times and returns when the
// last one ended.
func (c *conductor) timedPhases(ctx context.Context) (reports.Offset, error) {
	end := c.warmup
	for _, p := range c.plan.Phases {
		from, to := c.warmup+p.From, c.warmup+p.To
		if err := c.clock.wait(ctx, from); err != nil {
			return 0, err
		}
		c.phase(p.Name, from)
		c.show.phase(p.Name, to-c.clock.now())
		if p.Name != scenarios.PhaseRecovery {
			end = to
			continue
		}
		var err error
		if end, err = c.clock.recover(ctx, span{from, to}, c.well); err != nil {
			return 0, err
		}
	}
	return end, c.clock.wait(ctx, end)
}

// span is a stretch of the run.
type span struct{ from, to reports.Offset }

// recover waits until recovery is over: at its planned end, or once it has
// lasted for a hold and all is well. It returns when that was. What is well is
// known up to a moment in the past, which ok comes with; there the phase ends,
// so that nothing is in it that was not looked at.
func (c clock) recover(ctx context.Context, phase span, well func(now reports.Offset) (until reports.Offset, ok bool)) (reports.Offset, error) {
	next := min(phase.from+hold, phase.to)
	for {
		if err := c.wait(ctx, next); err != nil {
			return 0, err
		}
		if next >= phase.to {
			return phase.to, nil
		}
		if until, ok := well(c.now()); ok && until >= phase.from+hold {
			return min(until, phase.to), nil
		}
		next = min(c.now()+lookEvery, phase.to)
	}
}

// well tells whether all is well, and up to when that is known: every fault is
// over, every load has come to its last rate, and in the time before until and
// after the last of these things, every workload was whole for a hold and every
// load served for a bit more.
func (c *conductor) well(now reports.Offset) (until reports.Offset, ok bool) {
	until = c.known(now)
	switch {
	case c.pending.Load() > 0, c.recorder.wholeSince() > until-hold:
		return 0, false
	case reports.Offset(c.lastEvent.Load()) > until-hold-margin:
		return 0, false
	}
	for _, g := range c.loads {
		// A leg is something that happens, as an event is: one that begins in
		// recovery is not left out because all is well before it.
		if c.warmup+g.tally.times.Settled() > until-hold-margin || !g.tally.served(until, hold+margin) {
			return 0, false
		}
	}
	return until, true
}

// known is the latest moment, where slots begin, of which every request that was
// due before it has its result by now, or is late.
func (c *conductor) known(now reports.Offset) reports.Offset {
	within := reports.Offset(0)
	for _, g := range c.loads {
		within = max(within, g.load.Good.Within)
	}
	return c.warmup + (now - within - onTheWay - c.warmup).Truncate(slot)
}

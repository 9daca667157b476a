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
	// margin is how much longer than hold all must be well before recovery
	// ends early, so that the record holds a whole hold for the judge, who looks
	// at the requests one by one.
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
// lasted for a hold and all is well. It returns when that was.
func (c clock) recover(ctx context.Context, phase span, well func(now reports.Offset) bool) (reports.Offset, error) {
	next := min(phase.from+hold, phase.to)
	for {
		if err := c.wait(ctx, next); err != nil {
			return 0, err
		}
		if next >= phase.to {
			return phase.to, nil
		}
		if now := c.now(); well(now) {
			return min(now, phase.to), nil
		}
		next = min(c.now()+lookEvery, phase.to)
	}
}

// well tells whether all is well and was so for a hold: every workload whole,
// every fault over, every load served.
func (c *conductor) well(now reports.Offset) bool {
	if !c.recorder.whole() || c.pending.Load() > 0 {
		return false
	}
	for _, g := range c.loads {
		if !g.tally.served(now, hold+margin) {
			return false
		}
	}
	return true
}

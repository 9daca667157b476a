package run

import (
	"context"
	"time"

	"squall/reports"
)

const (
	// wallEvery is how often the wall clock is held against the run's own.
	wallEvery = time.Second
	// wallStep is how far the wall clock may move against the run's own in
	// wallEvery. One that is slewed moves by 0.5 ms (adjtime(3)) to 83 ms (chrony's
	// maxslewrate); what is more was stepped, or the host was asleep, while which the
	// run's own clock stands still.
	wallStep = 250 * time.Millisecond
	// wallPrecision is how long the reading of both clocks may take to count.
	wallPrecision = 10 * time.Millisecond
)

// watchWall tells of every step of the host's wall clock until ctx ends. The run
// does not use that clock, but what it judges does: leases, heartbeats, back-offs
// and the age of everything are told in it.
func (c *conductor) watchWall(ctx context.Context) {
	last, known := c.ahead()
	for c.clock.wait(ctx, c.clock.now()+wallEvery) == nil {
		now, ok := c.ahead()
		if !ok {
			continue // too busy to tell; the next second shows what this one had
		}
		if step := now - last; known && step.Abs() > wallStep {
			c.trouble(troubled(reports.TroubleEnvironment,
				"the host's wall clock was moved by %s, or the host slept: Kubernetes' timers run on that clock, so this run proves nothing; run again",
				step.Round(time.Millisecond)))
		}
		last, known = now, true
	}
}

// ahead is how far the wall clock has moved ahead of the run's own since the run
// began, and whether both could be read at one time.
func (c *conductor) ahead() (time.Duration, bool) {
	for range 10 {
		before := c.clock.now()
		wall := c.options.wallClock()
		if after := c.clock.now(); after-before <= wallPrecision {
			return wall.Sub(c.clock.began.Round(0)) - before, true
		}
	}
	return 0, false
}

// wallClock is the host's wall clock, without the monotonic reading that Go adds.
func (o Options) wallClock() time.Time {
	if o.wall != nil {
		return o.wall().Round(0)
	}
	return time.Now().Round(0)
}

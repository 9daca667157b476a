package run

import (
	"context"
	"time"

	"squall/reports"
	"squall/workloads/traffic"
)

// clock is the run's one clock. It pairs the base that other processes of the
// host are told with a reading of Go's own monotonic clock, which is the same
// one, so that waits can use timers.
type clock struct {
	began time.Time
	base  int64 // the same moment, as traffic.Monotonic tells it
}

func newClock() clock { return clock{began: time.Now(), base: traffic.Monotonic()} }

// now is the present offset.
func (c clock) now() reports.Offset { return time.Since(c.began) }

// wait waits until an offset, or until ctx ends, whose cause it returns.
func (c clock) wait(ctx context.Context, until reports.Offset) error {
	timer := time.NewTimer(until - c.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

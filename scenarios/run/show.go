package run

import (
	"context"
	"fmt"
	"time"

	"squall/reports"
)

// show is the live showing of a run, or none.
type show struct{ live *reports.Live }

func (s show) phase(name string, left time.Duration) {
	if s.live != nil {
		s.live.Phase(name, left)
	}
}

func (s show) load(sentPerSec, bad uint64) {
	if s.live != nil {
		s.live.Load(sentPerSec, bad)
	}
}

func (s show) latency(p99 time.Duration) {
	if s.live != nil {
		s.live.Latency(p99)
	}
}

func (s show) say(format string, args ...any) {
	if s.live != nil {
		s.live.Say(fmt.Sprintf(format, args...))
	}
}

// showLoad shows what the generators send, each second, until ctx ends. The
// last whole second's answers stand for what was sent.
func (c *conductor) showLoad(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var before uint64
	recent := reports.NewLatencies()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ended, bad := c.counts()
		if ended > 0 {
			c.show.load(ended-before, bad)
			c.show.latency(c.recentP99(recent))
		}
		before = ended
	}
}

// recentP99 is what 99 of 100 answers took at most since it was last asked, over
// all loads. It uses room for them.
func (c *conductor) recentP99(room *reports.Latencies) time.Duration {
	room.Reset()
	for _, g := range c.loads {
		g.tally.takeRecent(room)
	}
	return room.Quantile(99)
}

// counts are those of all loads together.
func (c *conductor) counts() (ended, bad uint64) {
	for _, g := range c.loads {
		e, b := g.tally.counts()
		ended, bad = ended+e, bad+b
	}
	return ended, bad
}

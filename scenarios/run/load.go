package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads/schedule"
	"squall/workloads/traffic"
)

const (
	// stopSlack is how long a generator may take to end once it was told to stop
	// and what was in flight has had its whole timeout.
	stopSlack = 5 * time.Second
	// timeoutSlack is how much longer than its load's good.within a request may
	// take at least, so that an answer in time is never cut off.
	timeoutSlack = time.Second
	// cutLimit bounds how long one may take whose input has ended, which lets
	// nothing in flight live on.
	cutLimit = 5 * time.Second
	// stderrLimit is how much of a generator's last words is kept, in bytes.
	stderrLimit = 2 << 10
)

// generator is the process that sends one load.
type generator struct {
	load  scenarios.Load
	pace  scenarios.Pace // as this run sends it
	tally tally
	// secure is how its targets are spoken to, once that is known.
	secure *traffic.TLS

	stdin  *io.PipeWriter
	stderr lastWords
	kill   context.CancelFunc
	ended  chan struct{} // closed when the process has ended and all of it is recorded

	mu      sync.Mutex
	ordered bool // it was told what to send
	ending  bool // it was told to end
}

// startLoads starts a process for every load that is switched on. They wait for
// their orders, so that none has to start when its first request is due.
func (c *conductor) startLoads(ctx context.Context, abort context.CancelCauseFunc) error {
	for _, load := range c.scenario.Spec.Load {
		if !load.On() {
			continue
		}
		g, err := c.generator(load)
		if err != nil {
			return err
		}
		c.loads = append(c.loads, g)
		c.startLoad(ctx, g, abort)
	}
	return ctx.Err()
}

// generator prepares the sending of a load.
func (c *conductor) generator(load scenarios.Load) (*generator, error) {
	pace, err := c.scenario.PaceOf(load, c.options.Calm)
	if err != nil {
		return nil, err
	}
	g := &generator{load: load, pace: pace, tally: tally{load: load, latencies: latencies{load: load.Name}}, ended: make(chan struct{})}
	if g.tally.times, err = schedule.New(c.scenario.Spec.Phases.Legs(pace)); err != nil {
		return nil, fmt.Errorf("load %q: %w", load.Name, err)
	}
	return g, nil
}

// startLoad starts a generator. It outlives ctx: its end is told to it, so
// that it can still say what it did. When it ends by itself, abort is called.
func (c *conductor) startLoad(ctx context.Context, g *generator, abort context.CancelCauseFunc) {
	ctx, kill := context.WithCancel(context.WithoutCancel(ctx))
	in, stdin := io.Pipe()
	out, stdout := io.Pipe()
	g.stdin, g.kill = stdin, kill
	process := make(chan error, 1)
	go func() {
		err := c.cluster.Exec(ctx, cluster.Exec{Argv: c.options.Traffic, Urgent: true, Stdin: in, Stdout: stdout, Stderr: &g.stderr})
		in.CloseWithError(errEnded) // so that no order waits for a reader
		stdout.Close()
		process <- err
	}()
	go func() {
		defer close(g.ended)
		summary, err := traffic.ReadAll(out, func(r traffic.Result) { c.request(g, r) }, func(s traffic.Self) { c.add(selfEntry(g, s)) })
		out.Close() // what a confused generator still writes is refused
		if perr := <-process; perr != nil {
			err = perr // it explains why the results broke off
		}
		c.closeLoad(g, summary, err, abort)
	}()
}

// errEnded is what an order to a generator gets that has ended.
var errEnded = errors.New("the generator has ended")

// orderLoads tells every generator what to send.
func (c *conductor) orderLoads() error {
	for _, g := range c.loads {
		spec, err := c.orders(g)
		if err != nil {
			return err
		}
		line, err := json.Marshal(spec)
		if err != nil {
			return fmt.Errorf("write the orders of load %q: %w", g.load.Name, err)
		}
		g.tally.begin(c.warmup)
		g.mu.Lock()
		g.ordered = true
		g.mu.Unlock()
		if _, err := g.stdin.Write(append(line, '\n')); err != nil {
			return troubled(reports.TroubleGenerator, "the generator of load %q did not start: %v%s", g.load.Name, err, g.stderr.said())
		}
	}
	return nil
}

// timeoutOf is how long one request of a load may take.
func timeoutOf(load scenarios.Load) time.Duration {
	return max(traffic.DefaultTimeout, load.Good.Within+timeoutSlack)
}

// request records a request.
func (c *conductor) request(g *generator, r traffic.Result) {
	for _, entry := range g.tally.add(r) {
		c.add(entry)
	}
	c.journal.Request(g.load.Name, r)
	c.conditions.request(g.load.Name, r)
}

// closeLoad records what a generator said at its end, or that it said nothing.
func (c *conductor) closeLoad(g *generator, said traffic.Summary, err error, abort context.CancelCauseFunc) {
	g.mu.Lock()
	ordered, ending := g.ordered, g.ending
	g.mu.Unlock()
	if ordered {
		for _, entry := range g.tally.rest() {
			c.add(entry)
		}
		c.add(reports.Entry{At: c.clock.now(), Kind: reports.KindLoad, Load: &reports.LoadEntry{
			Load: g.load.Name, Planned: said.Planned, Sent: said.Sent, Skipped: said.Skipped, Complete: err == nil, CPU: said.CPU,
		}})
	}
	switch {
	case !ordered && ending: // the run ended before it had anything to do
	case err != nil:
		t := troubled(reports.TroubleGenerator, "the generator of load %q died: %v%s; run again", g.load.Name, err, g.stderr.said())
		if ending {
			c.trouble(t)
		}
		abort(t)
	case said.Stopped && !ending: // its books are in order, and the load is not what was asked for
		abort(troubled(reports.TroubleGenerator, "the generator of load %q stopped early, and nobody had told it to: it got a signal or lost its input%s; run again", g.load.Name, g.stderr.said()))
	}
}

// stopLoads ends every generator once what is in flight has been answered.
func (c *conductor) stopLoads(ctx context.Context) error {
	for _, g := range c.loads {
		g.end(func() { _, _ = g.stdin.Write([]byte("stop\n")) }) // one that has ended needs no order
	}
	for _, g := range c.loads {
		if err := g.wait(ctx, timeoutOf(g.load)+stopSlack); err != nil {
			return err
		}
	}
	return nil
}

// cutLoads ends every generator at once, by force when it does not obey.
func (c *conductor) cutLoads() {
	for _, g := range c.loads {
		g.end(func() {})
		g.stdin.Close()
	}
	for _, g := range c.loads {
		// The run's context may have ended, which is why they are cut.
		if g.wait(context.Background(), cutLimit) != nil {
			g.kill()
			<-g.ended
		}
		g.kill()
	}
}

// end marks that the generator is to end, and tells it.
func (g *generator) end(tell func()) {
	g.mu.Lock()
	g.ending = true
	g.mu.Unlock()
	tell()
}

// wait waits until the generator has ended.
func (g *generator) wait(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-g.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return troubled(reports.TroubleGenerator, "the generator of load %q did not end within %s of being told to", g.load.Name, limit)
	}
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails.
func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-stderrLimit):]
	return len(p), nil
}

// said is the text as a part of a sentence.
func (l *lastWords) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.text) == 0 {
		return ""
	}
	return fmt.Sprintf(" (it said %q)", l.text)
}

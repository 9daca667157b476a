package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"

	"squall/reports"
	"squall/workloads/traffic"
	"squall/workloads/traffic/plain"
)

// Cases of the comparison with vegeta: its rates, and a server that is frozen.
const (
	freezeRate    = 1000
	freezeFor     = 3 * time.Second
	freezeAfter   = 2 * time.Second
	freezeWorkers = 50
)

// engineFigures are what one load showed.
type engineFigures struct {
	sent                uint64
	lagP50, lagP99, cpu time.Duration
	// reported is the p99 of the latency as the engine reports it; truth is that
	// by the schedule and by when the server answered.
	reported, truth time.Duration
}

// perRequest is the processor time of a request.
func (f engineFigures) perRequest() time.Duration { return f.cpu / time.Duration(max(1, f.sent)) }

// compareLoads holds the generator and vegeta's own library side by side, each in a
// process of its own, against a server of this process.
func (c *cli) compareLoads(ctx context.Context, rounds int, length time.Duration) error {
	t, err := openTarget()
	if err != nil {
		return err
	}
	defer t.close()
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "CASE\tENGINE\tLAG P50\tLAG P99\tCPU A REQUEST\tP99 REPORTED\tP99 TRUE\tREPORTED/TRUE")
	for _, rate := range []int{1000, 5000} {
		if err := c.compareAt(ctx, out, t, fmt.Sprintf("%d/s", rate), rounds, loadCase{rate: rate, length: length}); err != nil {
			return err
		}
	}
	frozen := loadCase{rate: freezeRate, length: freezeAfter + freezeFor + 5*time.Second, freeze: true, workers: freezeWorkers}
	name := fmt.Sprintf("%d/s, frozen %s", freezeRate, freezeFor)
	if err := c.compareAt(ctx, out, t, name, rounds, frozen); err != nil {
		return err
	}
	return out.Flush()
}

// loadCase is a load that both engines send.
type loadCase struct {
	rate    int
	length  time.Duration
	freeze  bool
	workers uint64 // of vegeta; 0 is its default, without a bound
}

// compareAt has the engines send a load by turns and shows what came of it.
func (c *cli) compareAt(ctx context.Context, out io.Writer, t *target, name string, rounds int, l loadCase) error {
	var ours, theirs []engineFigures
	for i := range rounds {
		one, err := t.squall(ctx, l)
		if err != nil {
			return fmt.Errorf("sending %s with squall: %w", name, err)
		}
		other, err := t.vegeta(ctx, l)
		if err != nil {
			return fmt.Errorf("sending %s with vegeta: %w", name, err)
		}
		ours, theirs = append(ours, one), append(theirs, other)
		c.say(fmt.Sprintf("%s, %d of %d: send lag p99 %s, vegeta's %s", name, i+1, rounds, short(one.lagP99), short(other.lagP99)))
	}
	engine := "vegeta"
	if l.workers > 0 {
		engine = fmt.Sprintf("vegeta, %d workers", l.workers)
	}
	showEngine(out, name, "squall", ours, l.freeze)
	showEngine(out, name, engine, theirs, l.freeze)
	fmt.Fprintf(out, "%s\tratio\t%s\t%s\t%s\t\t\t\n", name,
		ratios(ours, theirs, func(f engineFigures) time.Duration { return f.lagP50 }),
		ratios(ours, theirs, func(f engineFigures) time.Duration { return f.lagP99 }),
		ratios(ours, theirs, engineFigures.perRequest))
	return nil
}

// showEngine writes the medians of an engine's figures. Whether it tells the truth is
// shown of a frozen server: an answer that takes microseconds is heard much later
// than it was given.
func showEngine(out io.Writer, name, engine string, all []engineFigures, frozen bool) {
	median := func(of func(engineFigures) time.Duration) string {
		var s sample
		for _, f := range all {
			s = append(s, float64(of(f)))
		}
		return short(time.Duration(s.median()))
	}
	told := "-"
	if frozen {
		var s sample
		for _, f := range all {
			s = append(s, float64(f.reported)/float64(max(1, f.truth)))
		}
		told = spreadOfRatios(s)
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, engine,
		median(func(f engineFigures) time.Duration { return f.lagP50 }),
		median(func(f engineFigures) time.Duration { return f.lagP99 }), median(engineFigures.perRequest),
		median(func(f engineFigures) time.Duration { return f.reported }),
		median(func(f engineFigures) time.Duration { return f.truth }), told)
}

// ratios compares round by round.
func ratios(ours, theirs []engineFigures, of func(engineFigures) time.Duration) string {
	var s sample
	for i := range ours {
		s = append(s, float64(of(ours[i]))/float64(max(1, of(theirs[i]))))
	}
	return spreadOfRatios(s)
}

func spreadOfRatios(s sample) string {
	return fmt.Sprintf("%.3f (%.3f to %.3f)", s.median(), slices.Min(s), slices.Max(s))
}

// squall sends the load with the generator.
func (t *target) squall(ctx context.Context, l loadCase) (engineFigures, error) {
	const startUp = 300 * time.Millisecond // the process starts meanwhile
	base := traffic.Monotonic()
	spec := traffic.Spec{Name: "bench", URL: t.url, Rate: float64(l.rate), Base: base, From: startUp, Until: startUp + l.length}
	order, err := json.Marshal(spec)
	if err != nil {
		return engineFigures{}, err
	}
	end := t.begin(ctx, l)
	defer end()
	in, orders := io.Pipe()
	defer orders.Close()
	go func() { _, _ = orders.Write(append(order, '\n')) }() // its end would end the load
	latencies := reports.NewLatencies()
	out, err := startPart(ctx, in, trafficVerb)
	if err != nil {
		return engineFigures{}, err
	}
	summary, err := traffic.Read(out, func(r traffic.Result) {
		if !r.Skipped {
			latencies.Add(r.Done - r.Due)
		}
	})
	orders.Close()
	if err := errors.Join(err, out.Close()); err != nil {
		return engineFigures{}, err
	}
	return engineFigures{sent: summary.Sent, lagP50: summary.LagP50, lagP99: summary.LagP99, cpu: summary.CPU,
		reported: latencies.Quantile(99), truth: t.truth(base+int64(startUp), l.rate)}, nil
}

// vegeta sends it with vegeta's own library.
func (t *target) vegeta(ctx context.Context, l loadCase) (engineFigures, error) {
	order, err := json.Marshal(plain.Spec{URL: t.url, Rate: l.rate, For: l.length, Workers: l.workers})
	if err != nil {
		return engineFigures{}, err
	}
	end := t.begin(ctx, l)
	defer end()
	out, err := startPart(ctx, bytes.NewReader(order), trafficVerb, "--plain")
	if err != nil {
		return engineFigures{}, err
	}
	var f plain.Figures
	err = json.NewDecoder(out).Decode(&f)
	if err := errors.Join(err, out.Close()); err != nil {
		return engineFigures{}, err
	}
	return engineFigures{sent: f.Sent, lagP50: f.LagP50, lagP99: f.LagP99, cpu: f.CPU, reported: f.Reported99, truth: t.truth(f.Began+int64(time.Second)/int64(l.rate), l.rate)}, nil
}

// part is the output of a part of squall that runs as a process of its own.
type part struct {
	io.ReadCloser
	command *exec.Cmd
}

// startPart starts squall itself with some arguments.
func startPart(ctx context.Context, in io.Reader, args ...string) (part, error) {
	self, err := os.Executable()
	if err != nil {
		return part{}, fmt.Errorf("find the load generator: %w", err)
	}
	command := exec.CommandContext(ctx, self, args...)
	command.Stdin, command.Stderr, command.WaitDelay = in, os.Stderr, time.Second
	out, err := command.StdoutPipe()
	if err != nil {
		return part{}, err
	}
	return part{out, command}, command.Start()
}

// Close waits for the process.
func (p part) Close() error { return p.command.Wait() }

package traffic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"squall/workloads/sample"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// cutAfter is how long requests in flight may still be answered once the
// generator was told to end at once.
const cutAfter = 25 * time.Millisecond

// maxUnseen is how many requests, besides those that may wait for their answers,
// have a goroutine: they are just being sent, skipped or counted. A generator that
// gets no processor would otherwise have one for every request that is due.
const maxUnseen = 1000

// Main is the generator. It reads a [Spec] from the first line of in, sends the
// load, and writes what became of each request and a closing summary to out.
//
// It ends when the last request has ended, or earlier: a line "stop" on in ends
// the sending and lets what is in flight end within its timeout; the end of in,
// or of ctx, ends the sending and cuts off what is not answered 25 ms later
// ([Interrupted]). In each case the summary is written and the error is nil.
func Main(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	first, err := readLine(lines)
	if err != nil {
		return fmt.Errorf("read the load's spec, the first line of input: %w", err)
	}
	var spec Spec
	decoder := json.NewDecoder(bytes.NewReader(first))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		return fmt.Errorf("read the load's spec, the first line of input: %w", err)
	}
	spec = spec.withDefaults()
	if err := spec.check(); err != nil {
		return err
	}
	// Sending ends first; what is in flight is cut off later, or never.
	sending, halt := context.WithCancel(ctx)
	defer halt()
	flights, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	defer context.AfterFunc(ctx, func() { abort(halt, cut) })()
	go listen(lines, halt, cut)
	return send(sending, flights, spec, out)
}

// listen obeys the lines of input until a stop or its end. It stays blocked in
// Read when neither comes; the process ends around it.
func listen(lines *bufio.Reader, halt context.CancelFunc, cut context.CancelCauseFunc) {
	for {
		text, err := readLine(lines)
		if err != nil {
			abort(halt, cut)
			return
		}
		if strings.TrimSpace(string(text)) == "stop" {
			halt()
			return
		}
	}
}

// abort ends the sending and, a moment later, what is in flight.
func abort(halt context.CancelFunc, cut context.CancelCauseFunc) {
	halt()
	time.AfterFunc(cutAfter, func() { cut(errInterrupted) })
}

// send sends the load until it is over or sending ends.
func send(sending, flights context.Context, spec Spec, out io.Writer) error {
	sending, halt := context.WithCancel(sending)
	defer halt()
	flights, cut := context.WithCancelCause(flights)
	defer cut(nil)
	results := newStream(spec.Name, out, func(error) { abort(halt, cut) }) // nobody reads: no use going on

	return newTransport(flights, spec, newClock(spec.Base)).send(sending, results)
}

// send sends the load and gives its results to the stream, which it closes.
func (t *transport) send(sending context.Context, results *stream) error {
	spec := t.spec
	p := newPacer(sending, t.times, t.clock)
	before := processorTime()
	self := introspect(t.clock, results.tell)
	hits := attack(t, p)
	report := newReport(spec)
	var failure error
	for hit := range hits {
		r, err := t.result(hit)
		failure = errors.Join(failure, err)
		report.add(r)
		if err := results.put(r); err != nil && failure == nil {
			failure = err
		}
	}
	if base, ok := t.base.(*http.Transport); ok { // it is none in a test
		base.CloseIdleConnections()
	}
	self.close()
	summary := report.close(p, processorTime()-before)
	if summary.Planned != p.released {
		failure = errors.Join(failure, fmt.Errorf("load %q lost count: %d requests were released, %d have ended", spec.Name, p.released, summary.Planned))
	}
	if failure == nil {
		failure = results.end(summary)
	}
	if err := results.close(); err != nil {
		return fmt.Errorf("load %q: %w", spec.Name, err)
	}
	return failure
}

// attack starts vegeta. It is never told to stop, since it may then drop a
// request that the pacer has released; the pacer ends it.
func attack(t *transport, p *pacer) <-chan *vegeta.Result {
	// What a request is hangs on its number, which only the transport is told.
	first := t.mix.targets[0]
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: first.method, URL: first.url.String()})
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(64),
		// The transport bounds what is in flight; this bounds what the transport has
		// not seen yet. What waits for a worker leaves late, which its send lag tells.
		vegeta.MaxWorkers(uint64(t.spec.MaxInFlight)+maxUnseen),
		vegeta.MaxBody(0), // bodies are read, not kept
	)
	return attacker.Attack(target, p, 0, "")
}

// result is what became of a hit.
func (t *transport) result(hit *vegeta.Result) (Result, error) {
	f, ok := t.close(hit.Seq)
	if !ok {
		return Result{}, fmt.Errorf("load %q: request %d never reached the transport: %s", t.spec.Name, hit.Seq, hit.Error)
	}
	r := Result{Seq: hit.Seq, Due: t.times.due(hit.Seq)}
	a := sample.Answer{Skipped: f.skipped, Target: t.mix.of(hit.Seq).name}
	if f.skipped {
		r.Answer = t.answers.Of(a)
		return r, nil
	}
	r.Sent, r.Done = f.sent, t.clock.offsetOf(hit.End())
	a.Code, a.Error = int(hit.Code), f.failure
	if a.Code == 0 && a.Error == "" {
		a.Error = hit.Error
	}
	classes := t.mix.of(hit.Seq).classes
	if a.Class = classes.failed(); a.Error == "" {
		a.Class = classes.of(a.Code, hit.Headers, f.beginning)
	}
	if hit.Headers != nil {
		a.Instance, a.Version = hit.Headers.Get("X-Instance"), hit.Headers.Get("X-Version")
		a.By = valuesOf(hit.Headers, t.spec.By)
	}
	r.Answer = t.answers.Of(a)
	return r, nil
}

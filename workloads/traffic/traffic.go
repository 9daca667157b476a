// Package traffic sends open-loop load: requests leave when they are due,
// whether or not earlier ones were answered, and their latency counts from the
// moment they were due.
//
// The generator ([Main]) is a process of its own, so that it shares no runtime
// with whoever records or judges. It reads a [Spec] as the first line of its
// standard input and writes its [Result]s as squall/workloads/sample has them,
// then a [Summary]. The other side decodes that stream with [Read].
//
// The engine is vegeta; only this package imports it. What is ours is what
// vegeta leaves open: due times instead of pick-up times, a bound on requests
// in flight whose overflow is counted, prompt and exact stopping, one try per
// request and no address kept longer than a connection.
package traffic

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"squall/workloads/sample"
	"squall/workloads/schedule"

	"golang.org/x/sys/unix"
)

const (
	// DefaultTimeout is how long one request may take when the spec does not
	// say.
	DefaultTimeout = 5 * time.Second
	// DefaultMaxInFlight is how many requests may wait for their answers when
	// the spec does not say. Each costs about 45 KB, and a connection.
	DefaultMaxInFlight = 10_000
	// MaxRate is the highest rate that is accepted, in requests a second. It
	// only keeps slips of the pen out; a machine's honest limit is far below.
	MaxRate = 100_000
)

// Interrupted is the Error of a request that was cut off because the generator
// had to end before the answer came: its outcome is not known.
const Interrupted = "interrupted"

// Spec says what to send.
type Spec struct {
	Name   string `json:"name"`             // the load's name
	Method string `json:"method,omitempty"` // default GET
	URL    string `json:"url,omitempty"`    // http or https, the host an address or a full name
	// Header and Body may hold placeholders, as squall/workloads/draw has them.
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	// Targets are instead of method, URL, header and body: each request goes to
	// one of them, drawn by weight.
	Targets []Target `json:"targets,omitempty"`
	// By are headers of answers whose values results are to tell, by the names
	// under which they tell them.
	By map[string]string `json:"by,omitempty"`
	// Classes tell apart how much users got; without, results are not classified.
	Classes *Classes `json:"classes,omitempty"`
	// TLS is how targets with https are spoken to.
	TLS *TLS `json:"tls,omitempty"`
	// Seed and Scenario, with the load's name, are what is drawn from.
	Seed     uint64 `json:"seed,omitempty"`
	Scenario string `json:"scenario,omitempty"`
	// Rate is a rate that holds, in requests a second, with at most three
	// decimals.
	Rate float64 `json:"rate,omitempty"`
	// Legs are instead of a rate: the rate's curve from From to Until.
	Legs []schedule.Leg `json:"legs,omitempty"`
	// Base is the run's offset zero, as [Monotonic] told it on this host.
	Base int64 `json:"base"`
	// Requests are due from From on and before Until, as squall/workloads/schedule
	// says: at From + n/Rate where the rate holds.
	From  time.Duration `json:"from"`
	Until time.Duration `json:"until"`
	// Timeout bounds one request from when it is sent until its answer has
	// been read; default [DefaultTimeout].
	Timeout time.Duration `json:"timeout,omitempty"`
	// Nameserver is the address, with port, of the only name server that is
	// asked; empty asks as the system does.
	Nameserver string `json:"nameserver,omitempty"`
	// MaxInFlight is how many requests may wait for their answers at once;
	// default [DefaultMaxInFlight]. A request that is due while so many wait
	// is skipped.
	MaxInFlight int `json:"maxInFlight,omitempty"`
}

// Target is one target of several.
type Target struct {
	Name   string            `json:"name,omitempty"`
	Weight int               `json:"weight,omitempty"`
	Method string            `json:"method,omitempty"`
	URL    string            `json:"url"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	// Classes are instead of the load's.
	Classes *Classes `json:"classes,omitempty"`
}

// Result is what became of one request.
type Result = sample.Sample

// Summary closes the stream. Planned = Sent + Skipped, always.
type Summary struct {
	Name string `json:"name"`
	// Planned counts the requests that were due, up to Until or to an early
	// stop.
	Planned uint64 `json:"planned"`
	Sent    uint64 `json:"sent"`
	Skipped uint64 `json:"skipped"`
	// Stopped is true when it was stopped before Until.
	Stopped bool `json:"stopped,omitempty"`
	// The send lag is the time from due to sent, over all requests sent: the
	// generator's own lateness, which latency contains.
	LagP50 time.Duration `json:"lagP50"`
	LagP99 time.Duration `json:"lagP99"`
	LagMax time.Duration `json:"lagMax"`
	// CPU is the processor time that the generator's process used meanwhile.
	CPU time.Duration `json:"cpu"`
}

// Monotonic is the time on CLOCK_MONOTONIC in nanoseconds. All processes of a
// host read the same clock, so offsets from one base can be compared; its zero
// has no meaning.
func Monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(fmt.Sprintf("traffic: the monotonic clock cannot be read: %v", err)) // every supported kernel has it
	}
	return now.Nano()
}

// withDefaults fills in what was left out.
func (s Spec) withDefaults() Spec {
	if s.Method == "" {
		s.Method = http.MethodGet
	}
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	if s.MaxInFlight == 0 {
		s.MaxInFlight = DefaultMaxInFlight
	}
	return s
}

// check returns everything that is wrong with a spec whose defaults are in.
func (s Spec) check() error {
	var wrong []error
	if _, err := newMix(s); err != nil {
		wrong = append(wrong, err)
	}
	if strings.ContainsFunc(s.Name, unicode.IsControl) { // it becomes part of a header
		wrong = append(wrong, fmt.Errorf("name %q has control characters", s.Name))
	}
	if s.Until <= s.From {
		wrong = append(wrong, fmt.Errorf("until %v is not after from %v", s.Until, s.From))
	}
	wrong = append(wrong, s.checkRate()...)
	if _, err := s.TLS.config(); err != nil {
		wrong = append(wrong, err)
	}
	if s.Timeout < 0 {
		wrong = append(wrong, fmt.Errorf("timeout %v is negative", s.Timeout))
	}
	if s.MaxInFlight < 0 {
		wrong = append(wrong, fmt.Errorf("maxInFlight %d is negative", s.MaxInFlight))
	}
	if _, _, err := net.SplitHostPort(s.Nameserver); s.Nameserver != "" && err != nil {
		wrong = append(wrong, fmt.Errorf("nameserver %q is not host:port", s.Nameserver))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("load %q cannot be sent: %w", s.Name, errors.Join(wrong...))
	}
	return nil
}

// checkRate returns what is wrong with the rate or the legs.
func (s Spec) checkRate() (wrong []error) {
	switch {
	case len(s.Legs) == 0 && !(s.Rate > 0 && s.Rate <= MaxRate): // this way round it refuses NaN, too
		wrong = append(wrong, fmt.Errorf("rate %v is not above 0 and at most %d a second", s.Rate, MaxRate))
	case len(s.Legs) == 0 && math.Abs(s.Rate-schedule.Thousandths(s.Rate).PerSecond()) > 1e-9:
		wrong = append(wrong, fmt.Errorf("rate %v has more than three decimals", s.Rate))
	case len(s.Legs) > 0 && s.Rate != 0:
		wrong = append(wrong, fmt.Errorf("rate %v stands beside legs", s.Rate))
	case s.Until > s.From:
		curve, err := schedule.New(s.curve())
		if err == nil && curve.End() != s.Until-s.From {
			err = fmt.Errorf("they end %s after from, and until is %s after it", curve.End(), s.Until-s.From)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("legs: %w", err))
		}
	}
	return wrong
}

// curve is the rate as legs.
func (s Spec) curve() []schedule.Leg {
	if len(s.Legs) > 0 {
		return s.Legs
	}
	return schedule.Hold(schedule.Thousandths(s.Rate), s.Until-s.From)
}

// timetable is when each request is due, as an offset of the run.
type timetable struct {
	from time.Duration
	schedule.Schedule
}

// timetable is that of a spec that was checked.
func (s Spec) timetable() timetable {
	curve, err := schedule.New(s.curve())
	if err != nil {
		panic(fmt.Sprintf("traffic: a load that was checked has bad legs: %v", err))
	}
	return timetable{s.From, curve}
}

// due is when a request is due.
func (t timetable) due(seq uint64) time.Duration { return t.from + t.Due(seq) }

// planned counts the requests of the whole load.
func (t timetable) planned() uint64 { return t.Count(t.End()) }

// Package plain sends a load as vegeta's own library does, with its own pacer and
// its own figures, so that the generator can be compared with it. Nobody is to
// believe these figures: that is what the comparison is for.
package plain

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"squall/workloads/traffic"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sys/unix"
)

// Spec says what to send.
type Spec struct {
	URL     string        `json:"url"`
	Rate    int           `json:"rate"` // requests a second
	For     time.Duration `json:"for"`
	Workers uint64        `json:"workers,omitempty"` // at most so many; 0 is vegeta's own default, without a bound
}

// Figures are what came of it.
type Figures struct {
	// Began is when its schedule began, on [traffic.Monotonic]'s clock. Its constant
	// pacer has request n due n + 1 intervals later (vegeta v12.13: lib/pacer.go).
	Began int64  `json:"began"`
	Sent  uint64 `json:"sent"`
	// Reported99 is the p99 of the latency, as vegeta reports it.
	Reported99 time.Duration `json:"reported99"`
	// The send lag is the time from due to when vegeta says that it was sent.
	LagP50 time.Duration `json:"lagP50"`
	LagP99 time.Duration `json:"lagP99"`
	CPU    time.Duration `json:"cpu"` // of this process
}

// Main reads a [Spec] from in, sends the load, and writes [Figures] to out.
func Main(ctx context.Context, in io.Reader, out io.Writer) error {
	var s Spec
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return fmt.Errorf("read what to send: %w", err)
	}
	if s.Rate <= 0 || s.For <= 0 {
		return fmt.Errorf("rate %d for %s: nothing to send", s.Rate, s.For)
	}
	options := []func(*vegeta.Attacker){}
	if s.Workers > 0 {
		options = append(options, vegeta.Workers(s.Workers), vegeta.MaxWorkers(s.Workers))
	}
	attacker := vegeta.NewAttacker(options...)
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: "GET", URL: s.URL})
	began, mono := time.Now(), traffic.Monotonic()
	var metrics vegeta.Metrics
	lags := hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3) // in microseconds
	for r := range attacker.Attack(target, vegeta.ConstantPacer{Freq: s.Rate, Per: time.Second}, s.For, "") {
		metrics.Add(r)
		due := time.Duration(float64(r.Seq+1) / float64(s.Rate) * float64(time.Second))
		_ = lags.RecordValue(max(0, int64((r.Timestamp.Sub(began)-due)/time.Microsecond))) // an hour is enough
	}
	metrics.Close()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return fmt.Errorf("read the processor time: %w", err)
	}
	return json.NewEncoder(out).Encode(Figures{
		Began: mono, Sent: metrics.Requests, Reported99: metrics.Latencies.P99,
		LagP50: time.Duration(lags.ValueAtQuantile(50)) * time.Microsecond,
		LagP99: time.Duration(lags.ValueAtQuantile(99)) * time.Microsecond,
		CPU:    time.Duration(used.Utime.Nano() + used.Stime.Nano()),
	})
}

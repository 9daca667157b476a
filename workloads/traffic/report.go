package traffic

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// report gathers the summary.
type report struct {
	summary Summary
	lag     *hdrhistogram.Histogram // in microseconds
}

// newReport starts a summary.
func newReport(spec Spec) *report {
	const longest = int64(time.Hour / time.Microsecond) // longer lags count as this
	return &report{summary: Summary{Name: spec.Name}, lag: hdrhistogram.New(1, longest, 3)}
}

// add counts a result.
func (r *report) add(result Result) {
	r.summary.count(result)
	if result.Skipped {
		return
	}
	lag := max(0, result.Sent-result.Due)
	r.summary.LagMax = max(r.summary.LagMax, lag)
	micros := min(int64(lag/time.Microsecond), r.lag.HighestTrackableValue())
	_ = r.lag.RecordValue(micros) // it fails only for values beyond the highest
}

// close finishes the summary.
func (r *report) close(p *pacer, cpu time.Duration) Summary {
	r.summary.Stopped = p.released < p.total
	r.summary.LagP50 = time.Duration(r.lag.ValueAtQuantile(50)) * time.Microsecond
	r.summary.LagP99 = time.Duration(r.lag.ValueAtQuantile(99)) * time.Microsecond
	r.summary.CPU = cpu
	return r.summary
}

// processorTime is what the process has used so far, user and system.
func processorTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0 // it cannot fail for the process itself
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

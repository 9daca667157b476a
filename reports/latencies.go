package reports

import (
	"fmt"
	"math"
	"time"

	"squall/workloads/sample"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// LatenciesEntry is the latencies of the requests of one load that were due in
// the second that begins at At and came to the same: a histogram, for what shows
// quantiles over time and need not be exact. There may be several of one second;
// they are merged.
type LatenciesEntry struct {
	Load  string       `json:"load"`
	Good  bool         `json:"good"`
	Class sample.Class `json:"class,omitempty"`
	Count uint64       `json:"count"`
	// Histogram is an HDR histogram in its compressed form V2, in base64; its
	// values are microseconds.
	Histogram string `json:"histogram"`
}

// longestLatency is what longer latencies count as.
const longestLatency = time.Hour

// Latencies is a histogram of latencies. Its quantiles are within a thousandth,
// and within a microsecond. It takes the same room for any number of requests.
type Latencies struct{ counts *hdrhistogram.Histogram } // in microseconds

// NewLatencies returns an empty one.
func NewLatencies() *Latencies {
	return &Latencies{hdrhistogram.New(1, int64(longestLatency/time.Microsecond), 3)}
}

// Add adds a latency.
func (l *Latencies) Add(d Offset) {
	micros := int64(min(max(d, 0), longestLatency) / time.Microsecond)
	_ = l.counts.RecordValue(micros) // it fails only for values beyond the longest
}

// Merge adds all that is in another.
func (l *Latencies) Merge(other *Latencies) { l.counts.Merge(other.counts) }

// Count is how many there are.
func (l *Latencies) Count() uint64 { return uint64(l.counts.TotalCount()) }

// Quantile is the least of the latencies that at least percent of them do not
// exceed ("nearest rank"); 0 of none.
func (l *Latencies) Quantile(percent float64) Offset {
	all := float64(l.Count())
	rank := math.Ceil(percent*all/100 - 1e-9) // the library would round it
	return time.Duration(l.counts.ValueAtPercentile(100*rank/max(1, all))) * time.Microsecond
}

// Reset forgets all.
func (l *Latencies) Reset() { l.counts.Reset() }

// Entry is it as a record has it, of a load's requests that were good or not, of
// a class.
func (l *Latencies) Entry(load string, good bool, class sample.Class) (*LatenciesEntry, error) {
	text, err := l.counts.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("write the latencies of load %q: %w", load, err)
	}
	return &LatenciesEntry{Load: load, Good: good, Class: class, Count: l.Count(), Histogram: string(text)}, nil
}

// Latencies reads the entry's histogram.
func (e *LatenciesEntry) Latencies() (*Latencies, error) {
	counts, err := hdrhistogram.Decode([]byte(e.Histogram))
	if err != nil {
		return nil, fmt.Errorf("read latencies of load %q: %w", e.Load, err)
	}
	l := NewLatencies()
	if dropped := l.counts.Merge(counts); dropped > 0 || l.Count() != e.Count {
		return nil, fmt.Errorf("read latencies of load %q: the histogram holds %d requests and not %d", e.Load, l.Count(), e.Count)
	}
	return l, nil
}

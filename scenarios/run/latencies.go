package run

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"squall/reports"
	"squall/workloads/sample"
)

const (
	// openSeconds is how many seconds stay open for results, the newest included.
	openSeconds = 3
	// maxOpen bounds the histograms that are open; each takes some 200 KB.
	maxOpen = 32
)

// latencies makes the record's histograms of a load: one for each second in
// which requests were due, and for what became of them. What comes later than its
// second is open goes into another of the same second.
type latencies struct {
	load   string
	newest int64 // second in which a request was due
	open   map[outcome]*reports.Latencies
	spare  []*reports.Latencies
}

// outcome is what a histogram is of.
type outcome struct {
	second int64
	good   bool
	class  sample.Class
}

// add counts a result that is not skipped, and returns the histograms that are
// complete by now.
func (l *latencies) add(r sample.Sample, good bool) []reports.Entry {
	o := outcome{int64(r.Due / time.Second), good, r.Class}
	var complete []reports.Entry
	if o.second > l.newest {
		l.newest = o.second
		complete = l.close(l.newest - openSeconds + 1)
	}
	one := l.open[o]
	if one == nil {
		if len(l.open) >= maxOpen {
			complete = append(complete, l.rest()...)
		}
		one = l.fresh()
		if l.open == nil {
			l.open = map[outcome]*reports.Latencies{}
		}
		l.open[o] = one
	}
	one.Add(r.Done - r.Due)
	return complete
}

// fresh is an empty histogram.
func (l *latencies) fresh() *reports.Latencies {
	if n := len(l.spare); n > 0 {
		one := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return one
	}
	return reports.NewLatencies()
}

// rest closes all.
func (l *latencies) rest() []reports.Entry { return l.close(l.newest + 1) }

// close closes those of the seconds before one.
func (l *latencies) close(before int64) []reports.Entry {
	var closed []reports.Entry
	for _, o := range slices.SortedFunc(maps.Keys(l.open), outcome.compare) {
		if o.second >= before {
			continue
		}
		one := l.open[o]
		entry, err := one.Entry(l.load, o.good, o.class)
		if err == nil { // memory that is written to does not fail
			closed = append(closed, reports.Entry{At: reports.Offset(o.second) * time.Second, Kind: reports.KindLatencies, Latencies: entry})
		}
		delete(l.open, o)
		one.Reset()
		l.spare = append(l.spare, one)
	}
	return closed
}

// compare orders by second; good ones first.
func (o outcome) compare(other outcome) int {
	rank := func(o outcome) int {
		if o.good {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(o.second, other.second), rank(o)-rank(other), cmp.Compare(o.class, other.class))
}

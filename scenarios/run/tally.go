package run

import (
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/schedule"
	"squall/workloads/traffic"
)

const (
	// slot is the grain in which requests are counted.
	slot = 100 * time.Millisecond
	// onTheWay is how long a result takes at most from the generator to here.
	onTheWay = judge.OnTheWay
	// wellShare is the share of good requests that counts as well, as in
	// squall/scenarios/judge.
	wellShare = 0.99
)

// tally counts the results of one load as they come: for the live showing, and
// to tell when service is good again. It measures nothing that is judged.
type tally struct {
	load  scenarios.Load
	times schedule.Schedule // when its requests are due, from the first one on

	mu    sync.Mutex
	from  reports.Offset // when its first request was due
	goods []int          // by the slot, from from on, in which they were due
	ended uint64         // results so far, without skipped ones
	bad   uint64

	latencies latencies
	recent    *reports.Latencies // of what ended since somebody last looked
}

// begin says when the first request is due.
func (t *tally) begin(from reports.Offset) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.from = from
}

// add counts a result, and returns what the record is to have by now.
func (t *tally) add(r traffic.Result) []reports.Entry {
	if r.Skipped {
		return nil
	}
	good := r.Error == "" && t.load.Good.Status.Has(r.Code) && r.Done-r.Due <= t.load.Good.Within
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended++
	if t.recent == nil {
		t.recent = reports.NewLatencies()
	}
	t.recent.Add(r.Done - r.Due)
	t.count(good, r.Due)
	return t.latencies.add(r, good)
}

// rest is what the record is to have once there are no more results.
func (t *tally) rest() []reports.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latencies.rest()
}

// takeRecent adds what ended since it was last asked to the latencies.
func (t *tally) takeRecent(to *reports.Latencies) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent != nil {
		to.Merge(t.recent)
		t.recent.Reset()
	}
}

// count counts a result by when it was due; the caller holds the lock.
func (t *tally) count(good bool, due reports.Offset) {
	at := int((due - t.from) / slot)
	if !good || at < 0 {
		t.bad++
		return
	}
	for len(t.goods) <= at {
		t.goods = append(t.goods, 0)
	}
	t.goods[at]++
}

// counts are how many results there are, and how many of them are bad.
func (t *tally) counts() (ended, bad uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended, t.bad
}

// served tells whether, in each second of the length before until, enough
// requests were good. Those without a result count as bad, so until must be old
// enough for them to have one.
func (t *tally) served(until, length reports.Offset) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := int((until - t.from) / slot)
	begin := end - int(length/slot)
	if begin < 0 {
		return false
	}
	const second = int(time.Second / slot)
	for ; begin < end; begin += second {
		good := 0
		for at := begin; at < begin+second && at < len(t.goods); at++ {
			good += t.goods[at]
		}
		if float64(good) < wellShare*float64(t.due(begin, begin+second)) {
			return false
		}
	}
	return true
}

// due is how many requests are due in the slots [begin, end).
func (t *tally) due(begin, end int) int {
	return int(t.times.Count(time.Duration(end)*slot) - t.times.Count(time.Duration(begin)*slot))
}

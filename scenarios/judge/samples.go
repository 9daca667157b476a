package judge

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads/sample"
)

// request is one request as the measures see it. There may be millions.
type request struct {
	due, latency, lag reports.Offset
	seq               uint64
	answer            *sample.Answer // shared, and not nil
	result            result
	class             sample.Class
}

// result is what became of a request.
type result uint8

const (
	good result = iota
	bad
	skipped
)

// series is all requests of one load, in the order in which they were due.
type series struct {
	load    scenarios.Load
	pace    scenarios.Pace // as this run sends it
	samples []request
	// goods[i] and sents[i] count the good and the sent among the first i.
	goods, sents []uint32
	closing      *reports.LoadEntry
	told         bool // the generator tells of itself
	pauses       []reports.Pause
	closings     int // LoadEntry seen; more than one contradicts itself
	sorted       map[[2]int][]reports.Offset
	parts        map[only]*series // what measures narrow it to
	// room is where latencies are sorted again and again, when they are not kept.
	room []reports.Offset
}

// add takes a request as the record has it.
func (s *series) add(r sample.Sample) {
	s.samples = append(s.samples, s.request(r))
}

// request is a request of the load as the measures see it.
func (s *series) request(r sample.Sample) request {
	one := request{due: r.Due, seq: r.Seq, latency: r.Done - r.Due, lag: r.Sent - r.Due, result: bad, class: r.Class, answer: r.Answer}
	switch {
	case r.Skipped:
		one.result = skipped
	case r.Error == "" && s.load.Good.Status.Has(r.Code) && one.latency <= s.load.Good.Within:
		one.result = good
	}
	return one
}

// seal sorts the requests and counts them, once all are known.
func (s *series) seal() {
	slices.SortFunc(s.samples, func(a, b request) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq))
	})
	s.goods = make([]uint32, len(s.samples)+1)
	s.sents = make([]uint32, len(s.samples)+1)
	s.countFrom(0)
	s.sorted = map[[2]int][]reports.Offset{}
}

// countFrom counts the requests, which are in order, from the first of which the
// counts are not known.
func (s *series) countFrom(first int) {
	for i := first; i < len(s.samples); i++ {
		one := &s.samples[i]
		s.goods[i+1], s.sents[i+1] = s.goods[i], s.sents[i]
		if one.result == good {
			s.goods[i+1]++
		}
		if one.result != skipped {
			s.sents[i+1]++
		}
	}
}

// between returns the range of requests due in [from, to).
func (s *series) between(from, to reports.Offset) (first, end int) {
	at := func(t reports.Offset) int {
		return sort.Search(len(s.samples), func(i int) bool { return s.samples[i].due >= t })
	}
	first = at(from)
	return first, max(first, at(to))
}

// tally counts the requests due in [from, to).
func (s *series) tally(from, to reports.Offset) (goods, lost, skips int) {
	first, end := s.between(from, to)
	sent := int(s.sents[end] - s.sents[first])
	goods = int(s.goods[end] - s.goods[first])
	return goods, sent - goods, end - first - sent
}

// latencies returns those of all sent requests due in [from, to), sorted. A
// request that failed counts with the time that it took to fail. They stay as
// they are until the next call.
func (s *series) latencies(from, to reports.Offset) []reports.Offset {
	first, end := s.between(from, to)
	if all, ok := s.sorted[[2]int{first, end}]; ok {
		return all
	}
	all := s.room[:0]
	if cap(all) < end-first {
		all = make([]reports.Offset, 0, end-first)
	}
	for i := first; i < end; i++ {
		if one := &s.samples[i]; one.result != skipped {
			all = append(all, one.latency)
		}
	}
	slices.Sort(all)
	if s.room != nil {
		s.room = all
	} else {
		s.sorted[[2]int{first, end}] = all
	}
	return all
}

// quantile is the smallest of the sorted values that at least percent of them
// do not exceed ("nearest rank"); 0 without values.
func quantile(sorted []reports.Offset, percent float64) reports.Offset {
	if len(sorted) == 0 {
		return 0
	}
	// The small term keeps 99.9 % of 1000 at 999 in binary fractions.
	rank := int(math.Ceil(percent*float64(len(sorted))/100 - 1e-9))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// longestOutage is the longest stretch of due times in [from, to) without a
// good answer: from the due time of a bad request to that of the next good one,
// or to the end. Skipped requests neither begin nor end one.
func (s *series) longestOutage(from, to reports.Offset) reports.Offset {
	first, end := s.between(from, to)
	longest, since, out := reports.Offset(0), reports.Offset(0), false
	for _, one := range s.samples[first:end] {
		switch {
		case one.result == bad && !out:
			since, out = one.due, true
		case one.result == good && out:
			longest, out = max(longest, one.due-since), false
		}
	}
	if out {
		longest = max(longest, to-since)
	}
	return longest
}

// slide moves a window of length d over [from, to) and calls visit for each
// stretch of starts, [start, until), from which it holds the same requests, if
// it holds any that were sent.
func (s *series) slide(from, to, d reports.Offset, visit func(start, until reports.Offset, share float64)) {
	a, end := s.between(from, to)
	b := a
	for start := from; start <= to-d; {
		for a < end && s.samples[a].due < start {
			a++
		}
		for b < end && s.samples[b].due < start+d {
			b++
		}
		next := to - d + 1
		if a < end { // a leaves
			next = min(next, s.samples[a].due+1)
		}
		if b < end { // b enters
			next = min(next, s.samples[b].due-d+1)
		}
		if sent := s.sents[b] - s.sents[a]; sent > 0 {
			visit(start, next, float64(s.goods[b]-s.goods[a])/float64(sent))
		}
		start = next
	}
}

// worst is the lowest share of good requests in any window of length d inside
// [from, to). ok is false when there is none that holds a sent request.
func (s *series) worst(from, to, d reports.Offset) (lowest float64, ok bool) {
	lowest = 1
	s.slide(from, to, d, func(_, _ reports.Offset, share float64) {
		lowest, ok = min(lowest, share), true
	})
	return lowest, ok
}

// lags returns the send lags of all sent requests due in [from, to), sorted.
func (s *series) lags(from, to reports.Offset) []reports.Offset {
	first, end := s.between(from, to)
	all := make([]reports.Offset, 0, end-first)
	for _, one := range s.samples[first:end] {
		if one.result != skipped {
			all = append(all, one.lag)
		}
	}
	slices.Sort(all)
	return all
}

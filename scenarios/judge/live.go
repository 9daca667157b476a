package judge

import (
	"slices"
	"sort"

	"squall/reports"
	"squall/workloads/sample"
	"squall/workloads/schedule"
)

// OnTheWay is how long a result takes at most from the generator to the record: it
// writes every 50 ms. A request without a result is overdue that much after it can
// no more be good.
const OnTheWay = 200 * reports.Offset(1e6)

// liveLoad is the end of a load that is being sent: what is known of it, without
// a gap, in the order in which the requests were due.
//
// A request is known once its result has come. One without a result is overdue,
// and known to be bad, once it could no more be good; when its result comes after
// all, that takes its place. Known is the due time up to which every request is
// either.
type liveLoad struct {
	series *series
	times  schedule.Schedule
	count  uint64              // how many requests there are
	keep   reports.Offset      // how much of its end is asked for
	target func(uint64) string // where a request was drawn to
	early  map[uint64]request  // results that came before those of earlier requests
	open   map[uint64]struct{} // overdue requests without a result
	begun  bool
	from   reports.Offset // when its first request was due
	first  uint64         // the number of the first request that is kept
	next   uint64         // the first one that is not known
	due    reports.Offset // when that is due
}

// newLiveLoad follows a load of a run.
func newLiveLoad(r *run, s *series) (*liveLoad, error) {
	times, err := schedule.New(r.scenario.Spec.Phases.Legs(s.pace))
	if err != nil {
		return nil, err
	}
	l := &liveLoad{series: s, times: times, count: times.Count(times.End()), early: map[uint64]request{}, open: map[uint64]struct{}{}}
	s.goods, s.sents = []uint32{0}, []uint32{0}
	l.target = func(uint64) string { return "" }
	if targets := s.load.TargetsOn(); len(targets) > 0 {
		from, weights := r.scenario.Draws(s.load, r.header.Seed)
		l.target = func(n uint64) string { return targets[from.Pick(n, weights)].Name }
	}
	return l, nil
}

// begin says when the first request is due.
func (l *liveLoad) begin(at reports.Offset) {
	l.begun, l.from = true, at
	l.due = at + l.times.Due(0)
}

// take takes a result.
func (l *liveLoad) take(r sample.Sample) {
	one := l.series.request(r)
	if r.Seq >= l.next {
		l.early[r.Seq] = one
		return
	}
	if _, waits := l.open[r.Seq]; !waits {
		return
	}
	delete(l.open, r.Seq)
	if r.Seq >= l.first {
		at := int(r.Seq - l.first)
		l.series.samples[at] = one
		l.series.countFrom(at)
	}
}

// advance is up to when all is known at a moment; false before the load begins.
func (l *liveLoad) advance(now reports.Offset) (known reports.Offset, begun bool) {
	if !l.begun {
		return 0, false
	}
	for l.next < l.count && l.due < now {
		one, answered := l.early[l.next]
		if !answered && now-l.due <= l.series.load.Good.Within+OnTheWay {
			break
		}
		if !answered {
			l.open[l.next] = struct{}{}
			one = request{due: l.due, seq: l.next, result: bad, answer: &sample.Answer{Target: l.target(l.next)}}
		}
		delete(l.early, l.next)
		l.push(one)
	}
	for n := range l.open { // it took at least as long as it has waited
		if n < l.first {
			delete(l.open, n)
			continue
		}
		one := &l.series.samples[n-l.first]
		one.latency = now - OnTheWay - one.due
	}
	known = now
	if l.next < l.count {
		known = min(now, l.due)
	}
	l.forget(known - l.keep)
	// What was worked out over the requests as they were holds no more.
	l.series.sorted, l.series.parts = map[[2]int][]reports.Offset{}, nil
	return known, true
}

// push appends what is known of the next request.
func (l *liveLoad) push(one request) {
	s := l.series
	s.samples = append(s.samples, one)
	s.goods, s.sents = append(s.goods, 0), append(s.sents, 0)
	s.countFrom(len(s.samples) - 1)
	l.next++
	l.due = l.from + l.times.Due(l.next)
}

// forget drops requests that were due before a moment, many at a time.
func (l *liveLoad) forget(before reports.Offset) {
	s := l.series
	old := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].due >= before })
	if old < 1000 || old < len(s.samples)/2 {
		return
	}
	s.samples = slices.Delete(s.samples, 0, old)
	s.goods, s.sents = slices.Delete(s.goods, 0, old), slices.Delete(s.sents, 0, old)
	l.first += uint64(old)
}

package judge

import "squall/reports"

const (
	// hold is how long service must stay good before it counts as recovered.
	hold = 3 * reports.Offset(1e9)
	// second is the window in which service must not fall below afterwards.
	second = reports.Offset(1e9)
	// wellShare is the share of good requests that counts as well.
	wellShare = 0.99
)

// recovery is the time from origin until service was good and stayed so. It is
// zero when no request due in [since, to) was bad. Else it ends at the due time
// of the first request, not due before origin, from which a whole hold is well
// and after which no second falls below up to to; [reports.Never] when there is
// none. A hold that to cuts short does not count. ok is false when no request
// was sent.
func (s *series) recovery(since, origin, to reports.Offset) (took reports.Offset, ok bool) {
	goods, lost, _ := s.tally(since, to)
	if goods+lost == 0 {
		return 0, false
	}
	if lost == 0 {
		return 0, true
	}
	// No hold may end before the start of the last second that fell below.
	ill := reports.Offset(-1)
	s.slide(origin, to, second, func(_, until reports.Offset, share float64) {
		if share < wellShare {
			ill = until - 1
		}
	})
	first, end := s.between(origin, to)
	for _, one := range s.samples[first:end] {
		held := one.due + hold
		if held > to {
			break
		}
		if one.result == skipped || held <= ill || !s.well(one.due, held) {
			continue
		}
		// What is left after the last whole second is judged as one.
		if to-held < second && !s.well(held, to) {
			continue
		}
		return one.due - origin, true
	}
	return reports.Never, true
}

// well tells whether enough of the requests due in [from, to) were good; it is
// true when there are none.
func (s *series) well(from, to reports.Offset) bool {
	goods, lost, _ := s.tally(from, to)
	return goods+lost == 0 || float64(goods) >= wellShare*float64(goods+lost)
}

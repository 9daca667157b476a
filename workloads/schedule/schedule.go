// Package schedule says when the requests of a load are due.
//
// A load's rate is a curve made of legs: each holds a rate, or changes it evenly
// from one to another. Request n is due where the area under the curve exceeds
// n, rounded to the nearest nanosecond, halves up. That is computed from n in
// whole numbers: nothing is summed up from request to request, and no host can
// come to another result. Planner, generator, conductor and judge all ask here,
// so what is planned, sent and judged is one count.
package schedule

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"
)

// Milli is a rate in thousandths of a request a second.
type Milli int64

// Thousandths is a rate in requests a second as a Milli, to the nearest.
func Thousandths(rate float64) Milli { return Milli(math.Round(rate * 1000)) }

// PerSecond is the rate in requests a second.
func (m Milli) PerSecond() float64 { return float64(m) / 1000 }

// Bounds on a schedule, which keep the arithmetic within 128 bits.
const (
	// MaxRate is the highest rate.
	MaxRate Milli = 100_000_000
	// MaxRamp is the longest leg that changes the rate.
	MaxRamp = 24 * time.Hour
	// maxLegs is how many legs a schedule may have.
	maxLegs = 1000
)

// Leg is a stretch in which the rate holds (From = To) or changes evenly.
type Leg struct {
	// Until is where it ends; it begins where the one before ends, the first at
	// zero.
	Until time.Duration `json:"until"`
	From  Milli         `json:"from"`
	To    Milli         `json:"to"`
}

// Hold is a rate that holds until a moment.
func Hold(rate Milli, until time.Duration) []Leg {
	return []Leg{{Until: until, From: rate, To: rate}}
}

// Schedule is the due times of a load, counted from its first moment. The zero
// one has no request.
type Schedule struct{ legs []leg }

// leg is a leg with where it begins and the area that lies before it, and
// before its end.
type leg struct {
	Leg
	start           time.Duration
	before, through area
}

// New makes a schedule, or says everything that is wrong with the legs.
func New(legs []Leg) (Schedule, error) {
	if len(legs) == 0 || len(legs) > maxLegs {
		return Schedule{}, fmt.Errorf("a load has from 1 to %d legs, not %d", maxLegs, len(legs))
	}
	var wrong []error
	var s Schedule
	var start time.Duration
	for i, one := range legs {
		length := one.Until - start
		switch {
		case length <= 0:
			wrong = append(wrong, fmt.Errorf("leg %d ends at %s, which is not after %s", i+1, one.Until, start))
		case min(one.From, one.To) < 0 || max(one.From, one.To) > MaxRate:
			wrong = append(wrong, fmt.Errorf("the rate of leg %d is not from 0/s to %v/s", i+1, MaxRate.PerSecond()))
		case one.From != one.To && length > MaxRamp:
			wrong = append(wrong, fmt.Errorf("the rate of leg %d changes for longer than %s", i+1, MaxRamp))
		}
		if len(wrong) == 0 {
			before := s.total()
			through := before.plus(product(uint64(one.From+one.To), uint64(length)))
			s.legs = append(s.legs, leg{Leg: one, start: start, before: before, through: through})
		}
		start = one.Until
	}
	return s, errors.Join(wrong...)
}

// Due is when request n is due; n counts from 0. A request that falls on a
// pause is due when the pause is over. Requests beyond the last are due at the
// end, or where they would be if the last leg went on holding its rate.
func (s Schedule) Due(n uint64) time.Duration {
	if len(s.legs) == 0 {
		return 0
	}
	wanted := product(n, request)
	at := sort.Search(len(s.legs)-1, func(i int) bool { return s.legs[i].through.above(wanted) })
	one := s.legs[at]
	return one.start + one.reach(wanted.minus(one.before))
}

// reach is how long after its start the area under a leg exceeds some.
func (l leg) reach(wanted area) time.Duration {
	length, from := uint64(l.Until-l.start), uint64(l.From)
	switch {
	case l.From != l.To:
		passed := sort.Search(int(length), func(n int) bool {
			// The area up to half a nanosecond after n, in the unit of area times
			// 4 length, which leaves no fractions.
			twice := 2*uint64(n) + 1
			slope := product(4*length, from).plus(product(uint64(l.To-l.From), twice))
			if l.To < l.From {
				slope = product(4*length, from).minus(product(uint64(l.From-l.To), twice))
			}
			return slope.times(twice).above(wanted.times(4 * length))
		})
		return time.Duration(passed)
	case from == 0:
		return time.Duration(length)
	}
	return time.Duration(wanted.plus(area{lo: from}).over(2 * from))
}

// Count is how many requests are due before a moment.
func (s Schedule) Count(moment time.Duration) uint64 {
	moment = min(moment, s.End())
	most := int(s.total().over(request)) + 1
	return uint64(sort.Search(most, func(n int) bool { return s.Due(uint64(n)) >= moment }))
}

// End is where the last leg ends.
func (s Schedule) End() time.Duration {
	if len(s.legs) == 0 {
		return 0
	}
	return s.legs[len(s.legs)-1].Until
}

// Settled is from when on the rate does not change any more: where the last leg
// begins, or ends when it is one that changes the rate.
func (s Schedule) Settled() time.Duration {
	if len(s.legs) == 0 {
		return 0
	}
	last := s.legs[len(s.legs)-1]
	if last.From != last.To {
		return last.Until
	}
	return last.start
}

// Rate is the rate from a moment on, to the nearest thousandth.
func (s Schedule) Rate(moment time.Duration) Milli {
	if len(s.legs) == 0 {
		return 0
	}
	at := sort.Search(len(s.legs)-1, func(i int) bool { return s.legs[i].Until > moment })
	one := s.legs[at]
	length := uint64(one.Until - one.start)
	passed := uint64(min(max(moment-one.start, 0), one.Until-one.start))
	change := func(by Milli) Milli {
		return Milli(product(uint64(by), passed).plus(area{lo: length / 2}).over(length))
	}
	if one.To < one.From {
		return one.From - change(one.From-one.To)
	}
	return one.From + change(one.To-one.From)
}

// total is the area under the whole curve.
func (s Schedule) total() area {
	if len(s.legs) == 0 {
		return area{}
	}
	return s.legs[len(s.legs)-1].through
}

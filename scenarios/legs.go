package scenarios

import (
	"fmt"
	"time"

	"squall/workloads/schedule"

	"go.yaml.in/yaml/v3"
)

// PaceOf is how often a load's requests are due in a run of the scenario: as it
// says, or in a calm run at the rate that it has when steady begins, to the
// nearest thousandth of a request a second.
func (s *Scenario) PaceOf(l Load, calm bool) (Pace, error) {
	if !calm || len(l.Rate.Legs) == 0 {
		return l.Rate, nil
	}
	curve, err := schedule.New(s.Spec.Phases.Legs(l.Rate))
	if err != nil {
		return Pace{}, fmt.Errorf("load %q: %w", l.Name, err)
	}
	return Pace{Rate: Rate(curve.Rate(s.Spec.Phases.Warmup).PerSecond())}, nil
}

// Legs is a load's pace as legs that end with the planned recovery; their times
// count from the start of warmup.
func (p Phases) Legs(pace Pace) []schedule.Leg {
	if len(pace.Legs) == 0 {
		return schedule.Hold(schedule.Thousandths(float64(pace.Rate)), p.Total())
	}
	legs := make([]schedule.Leg, len(pace.Legs))
	rate := schedule.Milli(0)
	for i, one := range pace.Legs {
		legs[i] = schedule.Leg{Until: p.Total(), From: rate}
		if until, ok := p.Offset(one.Until); ok {
			legs[i].Until = until
		}
		switch {
		case one.At != nil:
			rate = schedule.Thousandths(float64(*one.At))
			legs[i].From = rate
		case one.To != nil:
			rate = schedule.Thousandths(float64(*one.To))
		}
		legs[i].To = rate
	}
	return legs
}

// pace checks the legs of a load.
func (c *checker) pace(at string, pace Pace) {
	list := c.d.places[at].value
	if c.d.wrong[at] || list.Kind != yaml.SequenceNode {
		return
	}
	if n := len(pace.Legs); n == 0 || n > maxEntries {
		c.report(at, fmt.Sprintf("has %d legs; write a rate, for example 200/s, or from 1 to %d legs", n, maxEntries))
		return
	}
	from := time.Duration(0)
	for i, leg := range pace.Legs {
		here := c.d.entry(at, "", i)
		if c.d.wrong[here] {
			continue // it could not be read
		}
		c.legRate(here, i == 0)
		from = c.legUntil(here, leg, i == len(pace.Legs)-1, from)
	}
	if !c.sound(at) || !c.sound("spec.phases") {
		return
	}
	curve, err := schedule.New(c.s.Spec.Phases.Legs(pace))
	switch {
	case err != nil:
		c.report(at, oneLine(err))
	case curve.Rate(c.s.Spec.Phases.Warmup) == 0:
		c.report(at, "nothing is due when steady begins; a run has to see the system well before the fault, and a calm run holds the rate that a load has there")
	}
}

// legRate checks that a leg either holds a rate or goes to one.
func (c *checker) legRate(at string, first bool) {
	holds, goes := c.d.has(at+".at"), c.d.has(at+".to")
	switch {
	case holds && goes:
		c.report(at, "has both at and to; a leg holds a rate (at) or evenly goes to one (to)")
	case first && goes:
		c.report(at+".to", "the first leg has no rate to come from; it holds one, with at")
	case !holds && !goes:
		c.report(at, "has no rate; a leg holds one, for example at: 200/s, or evenly goes to one, for example to: 200/s")
	}
}

// legUntil checks that a leg ends inside a phase and after it began, the last
// one with the planned recovery. It returns where the leg ends.
func (c *checker) legUntil(at string, leg Leg, last bool, from time.Duration) time.Duration {
	phases := c.s.Spec.Phases
	if !c.d.has(at + ".until") {
		if !last {
			c.report(at+".until", "is missing; only the last leg may leave it out, and then ends with the planned recovery")
		}
		return from
	}
	if !c.sound(at+".until") || !c.sound("spec.phases") {
		return from
	}
	until, _ := phases.Offset(leg.Until) // a moment that was read has a phase
	for _, span := range phases.Spans() {
		if length := span.To - span.From; span.Name == leg.Until.Phase && leg.Until.After > length {
			c.report(at+".until", fmt.Sprintf("lies outside the phase, which ends at %s+%s", span.Name, length))
			return from
		}
	}
	switch {
	case until <= from && from == 0:
		c.report(at+".until", "the leg has no length; it begins with warmup")
	case until <= from:
		c.report(at+".until", fmt.Sprintf("is not after the end of the leg before it, %s after the start of warmup; legs follow each other in time", from))
	case last && until < phases.Total():
		c.report(at+".until", fmt.Sprintf("ends the load before the planned recovery does; leave until out, or write %s+%s", PhaseRecovery, phases.Recovery))
	}
	return max(from, until)
}

package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Waits tells whether an entry happens once its condition is true, and not at a
// time.
func (s Step) Waits() bool { return s.When != "" }

// Latest is when an entry happens at the latest, as a time since the start of
// warmup.
func (p Phases) Latest(s Step) time.Duration {
	m := s.At
	if s.Waits() {
		m = s.By
	}
	at, _ := p.Offset(m)
	return at
}

// WatchedFrom is from when on conditions of the timeline are looked at, as a time
// since the start of warmup: what breaks before would break the steady state.
func (p Phases) WatchedFrom() time.Duration { return p.Warmup + p.Steady }

// trigger checks that an entry has one trigger, and that it lies inside the run.
func (c *checker) trigger(at string, step Step) {
	timed, waits, bounded := c.d.has(at+".at"), c.d.has(at+".when"), c.d.has(at+".by")
	switch {
	case timed && (waits || bounded):
		var written []string
		for _, field := range []string{"at", "when", "by"} {
			if c.d.has(at + "." + field) {
				written = append(written, field)
			}
		}
		c.report(at, "has "+strings.Join(written, " and ")+"; every entry has one trigger, at or when with by")
		return
	case waits || bounded:
		c.condition(at, step)
	case c.need(at+".at", "fault+0s, or when with by"):
		c.inPhase(at+".at", step.At)
	}
}

// condition checks an entry that waits for a condition.
func (c *checker) condition(at string, step Step) {
	if c.need(at+".by", "fault+8s, the moment by which the condition must have become true") && c.inPhase(at+".by", step.By) {
		if late := []string{PhaseFault, PhaseRecovery}; !slices.Contains(late, step.By.Phase) {
			c.report(at+".by", "conditions are looked at from fault+0s on, since what breaks before would break the steady state", late...)
		}
	}
	if !c.need(at+".when", "'workload(\"catalog\").ready < 2'") {
		return
	}
	if strings.TrimSpace(step.When) == "" {
		c.report(at+".when", "is empty; write what the entry waits for")
		return
	}
	if c.check != nil {
		c.expression(at+".when", Expectation{Name: step.Name, That: step.When, Condition: true})
	}
}

// inPhase checks that a moment lies inside its phase.
func (c *checker) inPhase(at string, m Moment) bool {
	if !c.sound(at) || !c.sound("spec.phases") {
		return false
	}
	for _, span := range c.s.Spec.Phases.Spans() {
		if length := span.To - span.From; span.Name == m.Phase && m.After >= length {
			c.report(at, fmt.Sprintf("lies outside the phase, which ends at %s+%s", span.Name, length))
			return false
		}
	}
	return true
}

// aborts checks the conditions that end the run.
func (c *checker) aborts() {
	const at = "spec.abort"
	var names []string
	for _, e := range c.s.Spec.Abort {
		names = append(names, e.Name)
	}
	c.entryNames(at, names, maxEntries)
	for i, e := range c.s.Spec.Abort {
		here := c.d.entry(at, e.Name, i)
		if c.need(here+".that", "'live(\"browse\", duration(\"5s\")).availability < 0.5'") && c.check != nil {
			e.Condition = true
			c.expression(here+".that", e)
		}
	}
}

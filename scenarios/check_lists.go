package scenarios

import (
	"fmt"
	"slices"
	"time"
)

// Bounds on times: longer ones are slips, and a run has to end.
const (
	maxPhase  = time.Hour
	maxWithin = time.Minute
)

// workloads checks the workloads and renders those that are switched on.
func (c *checker) workloads() {
	const at = "spec.workloads"
	list := c.s.Spec.Workloads
	var names []string
	on := 0
	for _, w := range list {
		names = append(names, w.Name)
		if w.On() {
			on++
		}
	}
	c.entryNames(at, names, maxEntries)
	if c.need(at, "[{name: shop, shop: {services: [gateway, catalog]}}]") && on == 0 {
		c.report(at, "no workload is switched on, so there is nothing to test")
	}
	c.whole = c.sound(at)
	for i, w := range list {
		c.workload(c.d.entry(at, w.Name, i), w)
	}
	c.rolesOnce()
}

// workload checks one workload.
func (c *checker) workload(at string, w Workload) {
	if w.Name != "" && c.sound(at+".name") && !dnsLabel(w.Name) {
		c.report(at+".name", dnsLabelRule)
	}
	var names []string
	for _, p := range w.Patches {
		names = append(names, p.Name)
	}
	c.entryNames(at+".patches", names, maxEntries)
	if w.Shop == nil {
		if c.sound(at) {
			c.report(at, "says nothing to run", "shop")
		}
		c.whole = c.whole && !w.On()
		return
	}
	c.render(at, w)
}

// loads checks the loads.
func (c *checker) loads() {
	const at = "spec.load"
	var names []string
	on := 0
	for _, l := range c.s.Spec.Load {
		names = append(names, l.Name)
		if l.On() {
			on++
		}
	}
	c.entryNames(at, names, maxEntries)
	if c.need(at, "[{name: browse, target: {service: gateway, port: http, path: /catalog}, rate: 200/s, good: {within: 250ms}}]") && on == 0 {
		c.report(at, "no load is switched on, so nothing would be measured")
	}
	for i, l := range c.s.Spec.Load {
		c.load(c.d.entry(at, l.Name, i), l)
	}
}

// load checks one load.
func (c *checker) load(at string, l Load) {
	c.targets(at, l)
	if c.need(at+".rate", "200/s"); c.d.has(at + ".rate") {
		c.pace(at+".rate", l.Rate)
	}
	c.by(at+".by", l.By)
	c.classes(at+".classes", l.Classes)
	c.tls(at+".tls", l)
	if c.need(at+".good.within", "250ms") && (l.Good.Within == 0 || l.Good.Within > maxWithin) {
		c.report(at+".good.within", fmt.Sprintf("must be above 0s and at most %s", maxWithin))
	}
}

// timeline checks when each entry happens and what it does.
func (c *checker) timeline() {
	const at = "spec.timeline"
	var names []string
	for _, step := range c.s.Spec.Timeline {
		names = append(names, step.Name)
	}
	c.entryNames(at, names, maxEntries)
	for i, step := range c.s.Spec.Timeline {
		here := c.d.entry(at, step.Name, i)
		c.trigger(here, step)
		c.verb(here, step)
		c.victims(here, step)
	}
}

// expectations checks a list of expectations, spec.steady or spec.expect.
func (c *checker) expectations(at string, list []Expectation) {
	var names []string
	on := 0
	for _, e := range list {
		names = append(names, e.Name)
		if e.On() {
			on++
		}
	}
	c.entryNames(at, names, maxEntries)
	switch {
	case !c.d.has(at) && at == "spec.expect":
		c.need(at, "[{name: nothing lost, that: 'fault.lost == 0'}]")
	case on == 0 && c.sound(at):
		c.report(at, "no expectation is switched on, so nothing would be judged")
	}
	for i, e := range list {
		here := c.d.entry(at, e.Name, i)
		if c.d.has(at) && !c.need(here+".that", "'fault.lost == 0'") {
			continue
		}
		if c.check != nil {
			c.expression(here+".that", e)
		}
	}
}

// expression has the expectation's text checked.
func (c *checker) expression(at string, e Expectation) {
	err := c.check(c.s, e)
	if err == nil {
		return
	}
	parts := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		parts = joined.Unwrap()
	}
	for _, part := range parts {
		c.report(at, oneLine(part))
	}
}

// twins checks that each twin breaks something that is there to be broken.
func (c *checker) twins() {
	const at = "spec.twins"
	var names []string
	for _, twin := range c.s.Spec.Twins {
		names = append(names, twin.Name)
	}
	c.entryNames(at, names, maxTwins)
	for i, twin := range c.s.Spec.Twins {
		here := c.d.entry(at, twin.Name, i)
		if c.need(here+".patch", "{'workloads[shop].shop.replicas.catalog': 1}") && len(twin.Patch) == 0 {
			c.report(here+".patch", "is empty; a twin differs from its scenario")
		}
		if c.need(here+".breaks", "[users barely notice]") {
			c.breaks(here+".breaks", twin.Breaks)
		}
	}
}

// twinMark checks the stanza of a twin that a record keeps.
func (c *checker) twinMark() {
	if problem := nameProblem(c.s.Twin); problem != "" && c.sound("twin.name") {
		c.report("twin.name", problem)
	}
	if c.need("twin.breaks", "[users barely notice]") {
		c.breaks("twin.breaks", c.s.Breaks)
	}
	if len(c.s.Spec.Twins) > 0 {
		c.report("twin", "this is a twin already, so spec.twins must go")
	}
}

// breaks checks the names of the expectations that a twin must break.
func (c *checker) breaks(at string, breaks []string) {
	var on []string
	for _, e := range c.s.Spec.Expect {
		if e.On() && e.Name != "" {
			on = append(on, e.Name)
		}
	}
	if len(breaks) == 0 {
		c.report(at, "is empty; a twin that must break nothing proves nothing", on...)
	}
	for i, name := range breaks {
		here := c.d.entry(at, name, i)
		switch {
		case slices.Contains(breaks[:i], name):
			c.d.say(c.d.places[at].value.Content[i], Finding{Path: here, Value: quote(name), Problem: "stands twice"})
		case !slices.Contains(on, name):
			c.report(here, "is no expectation of spec.expect that is switched on", on...)
		}
	}
}

package run

import (
	"squall/scenarios"
	"squall/workloads/traffic"
)

// orders are what a generator is told to send.
func (c *conductor) orders(g *generator) (traffic.Spec, error) {
	spec := traffic.Spec{
		Name: g.load.Name, Rate: float64(g.pace.Rate),
		Base: c.clock.base, From: c.warmup, Until: c.warmup + c.scenario.Spec.Phases.Total(),
		Timeout:    timeoutOf(g.load),
		Nameserver: c.cluster.Info().DNS + ":53",
		Seed:       c.options.Seed, Scenario: c.scenario.Metadata.Name,
		By: g.load.ByHeaders(), TLS: g.secure,
	}
	if g.load.Classified() {
		spec.Classes = classes(g.load.Classes, g.load.Good.Status)
	}
	if len(g.pace.Legs) > 0 {
		spec.Legs = c.scenario.Spec.Phases.Legs(g.pace)
	}
	several := g.load.TargetsOn()
	if len(several) == 0 {
		one, err := c.target(g.load.Target)
		spec.Method, spec.URL, spec.Header, spec.Body = one.Method, one.URL, one.Header, one.Body
		return spec, err
	}
	for _, t := range several {
		one, err := c.target(t.Target())
		if err != nil {
			return spec, err
		}
		one.Name, one.Weight = t.Name, t.Weight
		if t.Classes != nil {
			one.Classes = classes(t.Classes, g.load.Good.Status)
		}
		spec.Targets = append(spec.Targets, one)
	}
	return spec, nil
}

// target is a target as the generator is told of it.
func (c *conductor) target(t scenarios.Target) (traffic.Target, error) {
	url, err := c.address(t)
	return traffic.Target{Method: t.Method, URL: url, Header: t.Headers, Body: t.Body}, err
}

// classes are a load's, or a target's, as the generator is told of them; nil says
// that statuses alone decide.
func classes(of *scenarios.Classes, full scenarios.Status) *traffic.Classes {
	told := &traffic.Classes{Full: string(full)}
	if of == nil {
		return told
	}
	answer := func(a *scenarios.Answer) *traffic.Answer {
		if a == nil {
			return nil
		}
		return &traffic.Answer{Status: string(a.Status), Header: a.Header, Body: a.Body}
	}
	told.Failed, told.Degraded = answer(of.Failed), answer(of.Degraded)
	return told
}

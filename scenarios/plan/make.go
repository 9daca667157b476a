package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"squall/chaos"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/schedule"
)

// Make plans a scenario or a twin, which must come from scenarios.Parse. Calm
// leaves the timeline out. Version is Squall's, for the plan's head.
//
// Each event draws from a source of its own, made of the seed, the scenario's
// name and the event's, so that adding an event changes no other event's
// choice.
func Make(s *scenarios.Scenario, seed uint64, version string, calm bool) (Plan, error) {
	p := Plan{
		Squall: version, Scenario: s.Metadata.Name, Twin: s.Twin, Digest: s.Digest(),
		Seed: seed, Calm: calm, Phases: []Phase{}, Loads: []Load{}, Events: []Event{},
	}
	for _, span := range s.Spec.Phases.Spans() {
		p.Phases = append(p.Phases, Phase(span))
	}
	for _, load := range s.Spec.Load {
		if !load.On() {
			continue
		}
		planned, err := makeLoad(s, load, calm)
		if err != nil {
			return Plan{}, fmt.Errorf("plan scenario %q: %w", s.Metadata.Name, err)
		}
		p.Loads = append(p.Loads, planned)
	}
	if calm {
		return p, nil
	}
	rendered, err := s.Render()
	if err != nil {
		return Plan{}, fmt.Errorf("plan scenario %q: %w", s.Metadata.Name, err)
	}
	for _, step := range s.Spec.Timeline {
		if !step.On() {
			continue
		}
		event, err := makeEvent(s, seed, step, rendered)
		if err != nil {
			return Plan{}, fmt.Errorf("plan scenario %q: timeline entry %q: %w", s.Metadata.Name, step.Name, err)
		}
		p.Events = append(p.Events, event)
	}
	slices.SortStableFunc(p.Events, inTime)
	return p, nil
}

// makeLoad plans a load.
func makeLoad(s *scenarios.Scenario, load scenarios.Load, calm bool) (Load, error) {
	planned := Load{Name: load.Name, To: s.Spec.Phases.Total()}
	for _, t := range load.TargetsOn() {
		sends := t.Method + " " + t.Service + ":" + t.Port + t.Path
		if t.Scheme != "" {
			sends = t.Method + " " + t.Scheme + "://" + t.Service + ":" + t.Port + t.Path
		}
		planned.Targets = append(planned.Targets, Target{Name: t.Name, Weight: t.Weight, Sends: sends})
	}
	pace, err := s.PaceOf(load, calm)
	if err != nil || len(pace.Legs) == 0 {
		planned.Rate = float64(pace.Rate)
		return planned, err
	}
	legs := s.Spec.Phases.Legs(pace)
	curve, err := schedule.New(legs)
	if err != nil {
		return Load{}, fmt.Errorf("load %q: %w", load.Name, err)
	}
	planned.Requests = curve.Count(planned.To)
	from := planned.From
	for _, leg := range legs {
		planned.Legs = append(planned.Legs, Leg{From: from, To: leg.Until, Begins: leg.From.PerSecond(), Ends: leg.To.PerSecond()})
		from = leg.Until
	}
	return planned, nil
}

// makeEvent plans one entry of the timeline.
func makeEvent(s *scenarios.Scenario, seed uint64, step scenarios.Step, rendered []workloads.Rendered) (Event, error) {
	event, ok := triggered(step, s.Spec.Phases)
	event.Step = step.Action()
	if !ok || step.Chaos == nil && event.Step == "" {
		return Event{}, fmt.Errorf("it has no time (%s) or no verb; plan what scenarios.Parse accepted", step.At)
	}
	event.Victims = step.Victims.String()
	aim, err := step.Aim()
	if err != nil || aim == nil {
		return event, err
	}
	all := candidates(aim, rendered)
	what := "pod"
	if aim.HitsNodes() {
		all, what = nodes(aim, s.Spec.Cluster), "node"
	}
	all = slices.DeleteFunc(all, func(c Candidate) bool { return !step.Victims.TakesOrdinal(c.Ordinal) })
	if len(all) == 0 {
		return Event{}, fmt.Errorf("%s selects no %s that the scenario declares", aim.Describe(), what)
	}
	order := source(seed, "order", s.Metadata.Name, step.Name)
	order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	event.Count = Count(aim.Count(source(seed, "share", s.Metadata.Name, step.Name).IntN))
	event.Candidates = all
	if step.Chaos != nil {
		event.Fault = aim.Describe()
	}
	return event, nil
}

// candidates are the pods that a fault could select, by role and ordinal. They
// are sorted, so that the order of the file has no say in the choice.
func candidates(fault *chaos.Object, rendered []workloads.Rendered) []Candidate {
	all := []Candidate{}
	for _, r := range rendered {
		for _, role := range r.Roles {
			if !fault.MatchTemplate(scenarios.Template(role)) {
				continue
			}
			for ordinal := range role.Desired {
				all = append(all, Candidate{Role: role.Name, Ordinal: ordinal})
			}
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	return all
}

// nodes are the nodes that a fault could select, in the order in which the
// cluster has them.
func nodes(fault *chaos.Object, cluster scenarios.Cluster) []Candidate {
	all := []Candidate{}
	for _, node := range cluster.FaultNodes() {
		if fault.MatchNodeTemplate(node) {
			all = append(all, Candidate{Role: node.Role, Ordinal: node.Ordinal})
		}
	}
	return all
}

// source is a generator for one purpose: PCG, whose output Go keeps stable,
// seeded with the seed and the hash of the purpose and names.
func source(seed uint64, purpose, scenario, event string) *rand.Rand {
	// Lengths keep "ab"+"c" and "a"+"bc" apart.
	text := fmt.Sprintf("squall plan v1 %s %d:%s %d:%s", purpose, len(scenario), scenario, len(event), event)
	sum := sha256.Sum256([]byte(text))
	return rand.New(rand.NewPCG(seed^binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

// Package plan turns a scenario and a seed into a plan: every choice that
// Squall makes in a run, made beforehand.
//
// A plan is a pure function of the scenario, the seed and Squall's version, and
// byte-identical on any host. It knows pods and nodes as role and ordinal, since
// their names do not exist yet.
package plan

import (
	"encoding/json"
	"time"

	"squall/chaos"
)

// Plan is what will be done, and when.
type Plan struct {
	Squall   string  `json:"squall"` // version
	Scenario string  `json:"scenario"`
	Twin     string  `json:"twin,omitempty"`
	Digest   string  `json:"digest"` // sha256 of the scenario as run
	Seed     uint64  `json:"seed"`
	Calm     bool    `json:"calm,omitempty"`
	Phases   []Phase `json:"phases"`
	Loads    []Load  `json:"loads"`
	Events   []Event `json:"events"`
}

// Phase is one timed phase; offsets count from the start of warmup.
type Phase struct {
	Name string        `json:"name"`
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// Load is one load, at a rate that holds or in legs.
type Load struct {
	Name string        `json:"name"`
	Rate float64       `json:"rate,omitempty"` // requests a second; 0 where there are legs
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
	Legs []Leg         `json:"legs,omitempty"`
	// Requests is how many the legs make.
	Requests uint64 `json:"requests,omitempty"`
	// Targets are what requests are drawn to, where there are several.
	Targets []Target `json:"targets,omitempty"`
}

// Target is one target of several.
type Target struct {
	Name   string `json:"name"`
	Weight int    `json:"weight"`
	Sends  string `json:"sends"` // "GET gateway:http/catalog"
}

// Leg is a stretch of a load: it holds a rate, or evenly changes it.
type Leg struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
	// Begins and Ends are the rates at its ends, in requests a second.
	Begins float64 `json:"begins"`
	Ends   float64 `json:"ends"`
}

// Event is one timeline entry: a fault, or a step, most of which have no victims.
type Event struct {
	Name string        `json:"name"`
	At   time.Duration `json:"at"`
	// When is the condition that the entry waits for, and By the moment by which
	// that must have become true; such an entry has no At.
	When  string        `json:"when,omitempty"`
	By    time.Duration `json:"by,omitempty"`
	Fault string        `json:"fault,omitempty"` // "PodChaos pod-kill"
	Step  string        `json:"step,omitempty"`  // "scale catalog to 5"
	// Count is how many of the candidates are hit, before filters that only
	// the live cluster can answer.
	Count Count `json:"count,omitzero"`
	// Victims narrows the candidates by what only the live cluster can answer, or
	// has narrowed them already: "hosting app=catalog", "ordinal 0".
	Victims string `json:"victims,omitempty"`
	// Candidates are all pods, or nodes, that the selector allows, in the order
	// in which they are taken.
	Candidates []Candidate `json:"candidates,omitempty"`
	// Exactly rules out all but Candidates, as in the replay of a run.
	Exactly bool `json:"exactly,omitempty"`
}

// Count says how many of the live candidates a fault hits.
type Count struct {
	Mode string `json:"mode"` // one, all, fixed, fixed-percent, random-max-percent
	// Pods is the number of victims for one and fixed; Percent the share for the percent
	// modes, already drawn for random-max-percent.
	Pods    int `json:"pods,omitempty"`
	Percent int `json:"percent,omitempty"`
}

// Candidate is a pod, or a node, that does not exist yet.
type Candidate struct {
	Role    string `json:"role"` // a pod's workload; "worker" or "control-plane" for a node
	Ordinal int    `json:"ordinal"`
}

// Of is how many of the live candidates are hit, by Chaos Mesh's rule: never
// more than there are, and shares rounded as it rounds them.
func (c Count) Of(live int) int { return chaos.Count(c).Of(live) }

// JSON is the plan as indented JSON with a line break at its end: the same
// bytes for the same plan on any host. Times are whole nanoseconds.
func (p Plan) JSON() []byte {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		panic("plan: a plan cannot be written as JSON: " + err.Error()) // it holds text and numbers only
	}
	return append(text, '\n')
}

// Package judge reaches verdicts: it measures a record, evaluates a scenario's
// expectations over the measures, and says what the run proved.
//
// It reads what was recorded and nothing else: no cluster, no clock, no chance.
// The same record gives the same verdict, byte for byte. docs/measures.md tells
// every measure and every rule.
package judge

import (
	"fmt"

	"squall/reports"
	"squall/scenarios"

	"github.com/google/cel-go/cel"
)

// Judge reaches the verdict on a run of s, or of a twin of s, from its record.
func Judge(s *scenarios.Scenario, rec *reports.Record) reports.Verdict {
	r := newRun(s, rec)
	v := reports.Verdict{
		Scenario: rec.Header.Scenario, Twin: rec.Header.Twin, Calm: rec.Header.Calm,
		Promise:    s.Metadata.Labels["promise"],
		Kubernetes: rec.Header.Kubernetes, NodeImage: rec.Header.NodeImage, Provider: rec.Header.Provider,
		Timers: rec.Header.Timers, Seed: rec.Header.Seed,
		Took: r.took,
	}
	v.Windows, v.Events = r.tables()
	v.Generators = r.generators()
	v.Autoscalers, v.Usage = r.scalings(), r.usages()
	faults := r.faults()
	doubts := r.doubts()
	aborted, unborne := r.abort()
	v.Aborted, doubts = aborted, append(doubts, unborne...)

	j, err := newJury(r)
	if err != nil {
		faults = append(faults, err.Error())
	} else {
		v.Steady = j.all(steadyOf(s))
		v.Expect = j.all(s.Spec.Expect)
	}
	if aborted == nil { // what ends a run may not happen before a fault either
		doubts = append(doubts, doubtsOf(unsteady(v.Steady), nextSteady)...)
	}
	v.Outcome, v.Reasons = decide(faults, whys(doubts), v.Expect, j.excused)
	if aborted != nil && len(faults)+len(doubts) == 0 {
		broken := v.Reasons
		if v.Outcome != reports.Fail {
			broken = nil // what could not be told was cut off
		}
		v.Outcome, v.Reasons = reports.Fail, append(r.fallen(aborted), broken...)
	}
	if v.Twin != "" {
		breaksOf(s, &v)
	}
	v.Reason = sentence(&v, doubts)
	return v
}

// steadyOf are the expectations that tell whether the steady state was one.
func steadyOf(s *scenarios.Scenario) []scenarios.Expectation {
	if len(s.Spec.Steady) == 0 {
		return []scenarios.Expectation{{Name: "served", That: "steady.lost == 0"}}
	}
	return s.Spec.Steady
}

// unsteady says which steady expectations do not hold.
func unsteady(steady []reports.Finding) (doubts []string) {
	for _, f := range steady {
		switch {
		case f.Held == nil:
			doubts = append(doubts, fmt.Sprintf("steady state %q cannot be told: %s", f.Name, f.Why))
		case !*f.Held:
			doubts = append(doubts, fmt.Sprintf("steady state %q did not hold: the system was not well before the first fault", f.Name))
		}
	}
	return doubts
}

// decide turns what is known into an outcome. faults are Squall's own; doubts
// are what makes the run prove nothing; excused are the expectations that
// cannot be evaluated because the run was calm, which counts for nothing.
func decide(faults, doubts []string, expect []reports.Finding, excused map[string]bool) (reports.Outcome, []string) {
	if len(faults) > 0 {
		return reports.Error, append(faults, doubts...)
	}
	if len(doubts) > 0 {
		return reports.Inconclusive, doubts
	}
	var broken, unknown []string
	for _, f := range expect {
		switch {
		case f.Held == nil && excused[f.Name]:
		case f.Held == nil:
			unknown = append(unknown, fmt.Sprintf("%q cannot be told: %s", f.Name, f.Why))
		case !*f.Held:
			broken = append(broken, fmt.Sprintf("%q is false", f.Name))
		}
	}
	switch {
	case len(broken) > 0:
		return reports.Fail, append(broken, unknown...)
	case len(unknown) > 0:
		return reports.Inconclusive, unknown
	case len(expect) == 0:
		return reports.Inconclusive, []string{"no expectation is switched on: nothing was judged"}
	}
	return reports.Pass, nil
}

// jury evaluates expectations over one run.
type jury struct {
	run    *run
	env    *cel.Env
	inputs map[string]any
	// excused are the expectations that need an event, in a calm run.
	excused map[string]bool
	// programs are those of the parts of expectations, by their text: the same
	// parts are asked for several times.
	programs map[string]cel.Program
	// supposed is a run of which parts are supposed and not recorded; it is made
	// when it is first needed.
	supposed *supposition
}

func newJury(r *run) (*jury, error) {
	j := &jury{run: r, inputs: inputs(r), excused: map[string]bool{}, programs: map[string]cel.Program{}}
	var err error
	j.env, err = newEnv(r, nil)
	return j, err
}

func (j *jury) all(expectations []scenarios.Expectation) []reports.Finding {
	var findings []reports.Finding
	for _, e := range expectations {
		if e.On() {
			findings = append(findings, j.one(e))
		}
	}
	return findings
}

// one evaluates one expectation and the parts that it is made of.
func (j *jury) one(e scenarios.Expectation) reports.Finding {
	f := reports.Finding{Name: e.Name, That: e.That}
	compiled, err := compile(j.env, e.That)
	if err == nil {
		err = checkNames(j.run.scenario, compiled)
	}
	if err != nil {
		f.Why = fmt.Sprintf("the expression is wrong: %v", err)
		return f
	}
	value, err := j.evaluate(compiled)
	if held, ok := value.(bool); ok && err == nil {
		f.Held = &held
	}
	f.Values = j.values(compiled)
	if f.Held != nil {
		j.tell(&f, compiled)
	}
	if f.Held == nil {
		f.Why = "it has no value"
		if err != nil {
			f.Why = err.Error()
		}
		j.excused[e.Name] = isCalm(err)
	}
	return f
}

func (j *jury) evaluate(compiled *cel.Ast) (any, error) {
	program, err := j.env.Program(compiled)
	if err != nil {
		return nil, err
	}
	value, _, err := program.Eval(j.inputs)
	if err != nil {
		return nil, err
	}
	return value.Value(), nil
}

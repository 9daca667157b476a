package judge

import (
	"fmt"
	"strings"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads/sample"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// Condition is one that is looked at while a run goes on.
type Condition struct {
	// Name is that of the timeline entry that waits for it, or its own when Abort
	// is set: it ends the run.
	Name, That string
	Abort      bool
	// Polled is set when it asks for live(load, d): what that comes to changes with
	// the time, and not only when something is recorded.
	Polled bool

	compiled *cel.Ast
	program  cel.Program
}

// Conditions are those of a scenario's timeline and of its abort list, over a run
// that goes on. They see what the record gets, entry by entry, and measure it as
// the judge does afterwards: what has a name has one meaning. State (of a
// workload, a node) is that of the moment at which it is asked for; a time that
// something took (healed, detected, …) is absent until it is over. A condition
// whose value is absent does not hold.
//
// They are pure: the time comes with what they are asked, and nothing is waited
// for. They are not safe for concurrent use.
type Conditions struct {
	all    []*Condition
	run    *run
	jury   *jury
	loads  map[string]*liveLoad
	byStep map[string]*step
	line   int
}

// NewConditions are those of a scenario that Check has accepted, over a run with a
// seed. A scenario may have none.
func NewConditions(s *scenarios.Scenario, seed uint64) (*Conditions, error) {
	r, byLoad, byStep := blankRun(s, reports.Header{Seed: seed})
	r.present, r.known = true, map[string]reports.Offset{}
	c := &Conditions{run: r, loads: map[string]*liveLoad{}, byStep: byStep}
	var err error
	if c.jury, err = presentJury(r); err != nil {
		return nil, err
	}
	for _, e := range s.Spec.Abort {
		if e.On() {
			c.all = append(c.all, &Condition{Name: e.Name, That: e.That, Abort: true})
		}
	}
	for _, step := range s.Spec.Timeline {
		if step.On() && step.Waits() {
			c.all = append(c.all, &Condition{Name: step.Name, That: step.When})
		}
	}
	for _, one := range c.all {
		if err := c.prepare(one, byLoad); err != nil {
			return nil, fmt.Errorf("condition of %q: %w", one.Name, err)
		}
	}
	return c, nil
}

// presentJury is a jury on a run as it is at present.
func presentJury(r *run) (*jury, error) {
	j := &jury{run: r, inputs: inputs(r), excused: map[string]bool{}, programs: map[string]cel.Program{}}
	var err error
	j.env, err = newEnv(r, nil, liveFunction(r))
	return j, err
}

// prepare compiles a condition and follows the loads that it asks for.
func (c *Conditions) prepare(one *Condition, byLoad map[string]*series) error {
	var err error
	if one.compiled, err = compile(c.jury.env, one.That); err != nil {
		return err
	}
	if one.program, err = c.jury.env.Program(one.compiled); err != nil {
		return err
	}
	var walk func(e ast.Expr)
	walk = func(e ast.Expr) {
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "live" {
			one.Polled = true
			d, _ := durationLiteral(e.AsCall().Args()[1])
			if s := byLoad[nameIn(e)]; s != nil {
				err = c.follow(s, d)
			}
		}
		for _, child := range children(e) {
			walk(child)
		}
	}
	walk(one.compiled.NativeRep().Expr())
	return err
}

// follow keeps the last d of a load.
func (c *Conditions) follow(s *series, d reports.Offset) error {
	name := s.load.Name
	if c.loads[name] == nil {
		made, err := newLiveLoad(c.run, s)
		if err != nil {
			return err
		}
		c.loads[name] = made
	}
	c.loads[name].keep = max(c.loads[name].keep, d)
	return nil
}

// All are the conditions: those that end the run first.
func (c *Conditions) All() []*Condition { return c.all }

// Request takes a request of a load that was recorded.
func (c *Conditions) Request(load string, one sample.Sample) {
	if followed := c.loads[load]; followed != nil {
		followed.take(one)
	}
}

// Take takes an entry of the record, in the order in which they are recorded.
func (c *Conditions) Take(e *reports.Entry) {
	c.line++
	switch e.Kind {
	case reports.KindPhase, reports.KindEvent, reports.KindPod, reports.KindWorkload, reports.KindEndpoint, reports.KindNode,
		reports.KindRollout, reports.KindTenants, reports.KindHPA, reports.KindUsage:
		c.run.take(c.line, e, nil, c.byStep)
		if e.Kind == reports.KindPhase && e.Phase.Name == scenarios.PhaseWarmup {
			for _, load := range c.loads {
				load.begin(e.At)
			}
		}
	}
}

// Shows tells whether a kind of entries is one that conditions can hang on by
// itself.
func Shows(kind reports.Kind) bool {
	switch kind {
	case reports.KindEvent, reports.KindPod, reports.KindWorkload, reports.KindEndpoint, reports.KindNode,
		reports.KindRollout, reports.KindTenants, reports.KindHPA, reports.KindUsage:
		return true
	}
	return false
}

// Advance brings the conditions to a moment: what is known by then.
func (c *Conditions) Advance(now reports.Offset) {
	c.run.finished = now
	for name, load := range c.loads {
		if known, begun := load.advance(now); begun {
			c.run.known[name] = known
		}
	}
}

// Holds tells whether a condition is true at the moment that the conditions were
// brought to.
func (c *Conditions) Holds(one *Condition) bool {
	value, _, err := one.program.Eval(c.jury.inputs)
	return err == nil && value == types.True
}

// Parts are what the condition is made of, and what each part is.
func (c *Conditions) Parts(one *Condition) []reports.Value { return c.jury.values(one.compiled) }

// Known is, by load, up to when its requests are known.
func (c *Conditions) Known() map[string]reports.Offset {
	known := map[string]reports.Offset{}
	for name, at := range c.run.known {
		known[name] = at
	}
	return known
}

// PartsText are parts of an expression in words.
func PartsText(values []reports.Value) string {
	var all []string
	for _, v := range values {
		if why, gone := strings.CutPrefix(v.Value, "absent: "); gone {
			all = append(all, fmt.Sprintf("%s could not be told (%s)", v.Expr, why))
			continue
		}
		all = append(all, v.Expr+" was "+v.Value)
	}
	if len(all) == 0 {
		return "it looks at nothing"
	}
	return strings.Join(all, ", ")
}

package judge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Bounds of d in live(load, d): below, chance decides; above, what is kept of a
// fast load would be a burden.
const (
	minLookback = 200 * time.Millisecond
	maxLookback = time.Minute
)

// conditionChecker is the environment in which conditions are checked.
var conditionChecker = sync.OnceValues(func() (*cel.Env, error) { return newEnv(nil, nil, liveFunction(nil)) })

// liveFunction is live(load, d), which only conditions have.
func liveFunction(r *run) cel.EnvOption {
	window := cel.ObjectType(typeWindow)
	return cel.Function("live", cel.Overload("live_string_duration", []*cel.Type{cel.StringType, cel.DurationType}, window,
		cel.BinaryBinding(func(name, d ref.Val) ref.Val {
			return object{typeWindow, loadView{r, name.Value().(string)}.live(span(d))}
		})))
}

// live is the last d of due times of which all is known.
func (v loadView) live(d reports.Offset) *window {
	w := &window{run: v.run, load: v.name, name: fmt.Sprintf("live(%s, %s)", v.name, d)}
	begun, ok := v.run.starts[scenarios.PhaseWarmup]
	known, some := v.run.known[v.name]
	switch {
	case !ok || !some:
		w.gone = absent("nothing is known of load %q yet", v.name)
	case known-d < begun:
		w.gone = absent("of load %q %s are known, less than %s", v.name, reports.Duration(max(known-begun, 0)), d)
	}
	w.from, w.to = known-d, known
	return w
}

// presentNames are what a condition may be made of.
func presentNames() []string {
	return []string{"live(l, d)", "event(e)", "workload(w)", "hpa(h)", "node(n)", "duration(d)"}
}

// presentFields are those of an event that are known while a run goes on.
func presentFields() []string {
	return []string{"injected", "happened", "undone", "healed", "impaired", "detected", "withdrawn", "rolled", "drained"}
}

// checkCondition tells what is wrong with a condition.
func checkCondition(s *scenarios.Scenario, e scenarios.Expectation) error {
	env, err := conditionChecker()
	if err != nil {
		return err
	}
	compiled, err := compile(env, e.That)
	if err != nil {
		return err
	}
	c := names{scenario: s, ast: compiled.NativeRep()}
	c.present(c.ast.Expr())
	return errors.Join(checkNames(s, compiled), errors.Join(c.found...), checkCircle(env, s, e))
}

// present finds what is not known while a run goes on.
func (c *names) present(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		if slices.Contains(windowNames(), e.AsIdent()) {
			c.later(e, e.AsIdent())
		}
	case ast.SelectKind:
		field := e.AsSelect().FieldName()
		if c.ast.GetType(e.AsSelect().Operand().ID()).TypeName() == typeEvent && !slices.Contains(presentFields(), field) {
			c.wrong(e, fmt.Sprintf("%s of an event is measured when the run is over; a condition may ask for its %s", field, strings.Join(presentFields(), ", ")))
		}
		if c.ast.GetType(e.AsSelect().Operand().ID()).TypeName() == typeHPA && field != "desired" {
			c.wrong(e, field+" of an autoscaler is measured when the run is over; a condition may ask for its desired")
		}
	case ast.CallKind:
		call := e.AsCall()
		switch {
		case call.FunctionName() == "window" || call.FunctionName() == "load":
			c.later(e, call.FunctionName())
		case call.IsMemberFunction() && c.ast.GetType(call.Target().ID()).TypeName() == typeEvent:
			c.wrong(e, fmt.Sprintf("%s of an event is measured when the run is over; a condition may ask for its %s", call.FunctionName(), strings.Join(presentFields(), ", ")))
		case call.IsMemberFunction() && (call.FunctionName() == "workload" || call.FunctionName() == "hpa"):
			c.wrong(e, fmt.Sprintf("%s of a window is measured when the run is over; a condition may ask for %s(…) as it is now", call.FunctionName(), call.FunctionName()))
		}
	}
	for _, child := range children(e) {
		c.present(child)
	}
}

// later says that a window is not known yet.
func (c *names) later(e ast.Expr, what string) {
	c.wrong(e, fmt.Sprintf("%s is measured when the run is over; a condition looks at %s", what, strings.Join(presentNames(), ", ")))
}

// lookback checks the d of live(load, d).
func (c *names) lookback(arg ast.Expr) {
	d, ok := durationLiteral(arg)
	switch {
	case !ok:
		c.wrong(arg, `the length must be written out, for example duration("5s")`)
	case d < minLookback || d > maxLookback:
		c.wrong(arg, fmt.Sprintf("live(load, %s): the length is from %s to %s", d, minLookback, maxLookback))
	}
}

// checkCircle finds entries that wait for each other: none of them would ever
// happen.
func checkCircle(env *cel.Env, s *scenarios.Scenario, e scenarios.Expectation) error {
	waits := map[string][]string{}
	for _, step := range s.Spec.Timeline {
		if step.Waits() {
			waits[step.Name] = eventsIn(env, step.When)
		}
	}
	listed := slices.ContainsFunc(s.Spec.Timeline, func(step scenarios.Step) bool { return step.Name == e.Name && step.When == e.That })
	if !listed { // a condition of "abort"
		return nil
	}
	if circle := wayBack(waits, e.Name, []string{e.Name}); circle != nil {
		return fmt.Errorf("the entries wait for each other in a circle: %s; none of them would ever happen", strings.Join(circle, " waits for "))
	}
	return nil
}

// wayBack is a way from the last of the entries to the first along what they wait
// for; nil when there is none.
func wayBack(waits map[string][]string, home string, way []string) []string {
	for _, next := range waits[way[len(way)-1]] {
		if next == home {
			return append(slices.Clone(way), home)
		}
		if slices.Contains(way, next) {
			continue // a circle that does not lead home is told of the entries in it
		}
		if found := wayBack(waits, home, append(slices.Clone(way), next)); found != nil {
			return found
		}
	}
	return nil
}

// eventsIn are the events that an expression names, each once.
func eventsIn(env *cel.Env, text string) (all []string) {
	if len(text) > maxLength || nesting(text) > maxNesting {
		return nil // said where it stands
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil
	}
	var walk func(e ast.Expr)
	walk = func(e ast.Expr) {
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "event" {
			for _, arg := range e.AsCall().Args() {
				if name, ok := literal(arg).(types.String); ok && !slices.Contains(all, string(name)) {
					all = append(all, string(name))
				}
			}
		}
		for _, child := range children(e) {
			walk(child)
		}
	}
	walk(parsed.NativeRep().Expr())
	return all
}

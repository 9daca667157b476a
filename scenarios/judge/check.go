package judge

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"squall/scenarios"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// Check tells whether e is an expression that can be judged in s: that it
// parses, that its types fit, that it is true or false in the end, that every
// event, load and workload it names is in s, that its durations are durations,
// and, when e is one of s.Spec.Steady, that it looks at the phase steady alone.
// The error names all that is wrong, and what there is instead.
//
// Of a condition it holds the same, and that it looks at what is known while a
// run goes on: see [Conditions].
func Check(s *scenarios.Scenario, e scenarios.Expectation) error {
	if e.Condition {
		return checkCondition(s, e)
	}
	env, err := checker()
	if err != nil {
		return err
	}
	compiled, err := compile(env, e.That)
	if err != nil {
		return err
	}
	return errors.Join(checkNames(s, compiled), checkSteady(s, e, compiled))
}

// compile parses and type-checks one expression.
func compile(env *cel.Env, that string) (*cel.Ast, error) {
	if strings.TrimSpace(that) == "" {
		return nil, errors.New("the expression is empty")
	}
	if len(that) > maxLength {
		return nil, fmt.Errorf("the expression is longer than %d bytes", maxLength)
	}
	if nesting(that) > maxNesting {
		return nil, fmt.Errorf("the expression nests deeper than %d brackets", maxNesting)
	}
	compiled, issues := env.Compile(that)
	if issues.Err() != nil {
		return nil, explain(env, that, issues)
	}
	if t := compiled.OutputType(); !t.IsExactType(types.BoolType) {
		return nil, fmt.Errorf("the expression must be true or false, and is %s", article(t.TypeName()))
	}
	return compiled, nil
}

// nesting is the depth of brackets and of unary operators, over-estimated: the
// grammar's own limit comes only after time that grows with the depth.
func nesting(that string) int {
	depth, deepest, unary := 0, 0, 0
	for _, r := range that {
		switch r {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '!', '-':
			unary++
		}
		deepest = max(deepest, depth)
	}
	return max(deepest, unary)
}

// article names a type in a sentence.
func article(typeName string) string {
	switch name := strings.ToLower(typeName); name {
	case "int", "event", "hpa":
		return "an " + name
	default:
		return "a " + name
	}
}

// explain turns what CEL found into sentences, and says which fields there are
// where an expression asks for one that there is not.
func explain(asked *cel.Env, that string, issues *cel.Issues) error {
	var missed []miss
	if env, err := newEnv(nil, &missed, liveFunction(nil)); err == nil {
		env.Compile(that) // again, for what it misses
	}
	conditional := asked.HasFunction("live")
	var found []error
	for _, issue := range issues.Errors() {
		i := slices.IndexFunc(missed, func(m miss) bool {
			return issue.Message == fmt.Sprintf("undefined field '%s'", m.field)
		})
		message := issue.Message
		if i >= 0 {
			message = missed[i].String()
			missed = slices.Delete(missed, i, i+1)
		} else if strings.HasPrefix(message, "undeclared reference to 'live'") && !conditional {
			message = `live(load, d) exists only inside "when" and "abort", which are looked at while the run goes on; an expectation looks at a window of the whole run`
		} else if strings.HasPrefix(message, "undeclared reference to") && conditional {
			message += ": there are " + strings.Join(presentNames(), ", ")
		} else if strings.HasPrefix(message, "undeclared reference to") {
			message += ": there are " + strings.Join(windowNames(), ", ") +
				", event(e), window(e1, e2), load(l), workload(w), hpa(h), node(n), duration(d)"
		}
		found = append(found, fmt.Errorf("%s (character %d)", message, issue.Location.Column()+1))
	}
	return errors.Join(found...)
}

// checkNames looks at what the type check cannot know.
func checkNames(s *scenarios.Scenario, compiled *cel.Ast) error {
	c := names{scenario: s, ast: compiled.NativeRep()}
	c.walk(c.ast.Expr())
	return errors.Join(c.found...)
}

// names checks what an expression names against a scenario.
type names struct {
	scenario *scenarios.Scenario
	ast      *ast.AST
	found    []error
}

func (c *names) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.CallKind:
		c.call(e)
	case ast.SelectKind:
		c.ambiguous(e, e.AsSelect().Operand(), e.AsSelect().FieldName())
		c.unclassified(e, e.AsSelect().Operand(), e.AsSelect().FieldName())
	case ast.StructKind, ast.ListKind, ast.MapKind:
		c.wrong(e, "lists, maps and objects have no use in an expectation")
	}
	for _, child := range children(e) {
		c.walk(child)
	}
}

// children are the sub-expressions of e, in order of appearance.
func children(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	}
	return nil
}

func (c *names) call(e ast.Expr) {
	call := e.AsCall()
	switch call.FunctionName() {
	case "event", "window":
		for _, arg := range call.Args() {
			c.name(arg, "event", eventNames(c.scenario))
		}
	case "load":
		c.name(call.Args()[0], "load", loadNames(c.scenario))
	case "live":
		c.name(call.Args()[0], "load", loadNames(c.scenario))
		c.lookback(call.Args()[1])
	case "workload":
		c.name(call.Args()[0], "workload", workloadNames(c.scenario))
	case "hpa":
		c.hpaName(call.Args()[0])
	case "target", "by":
		c.narrowing(e)
	case "node":
		c.name(call.Args()[0], "node", nodeNames(c.scenario))
	case "worst", "p", "budget_left":
		c.ambiguous(e, call.Target(), call.FunctionName())
		c.argument(call)
	}
}

// name checks one name against those that exist.
func (c *names) name(arg ast.Expr, what string, known []string) {
	text, ok := literal(arg).(types.String)
	switch {
	case !ok:
		c.wrong(arg, fmt.Sprintf("the name of the %s must be written out", what))
	case slices.Contains(known, string(text)):
	case len(known) == 0:
		c.wrong(arg, fmt.Sprintf("there is no %s %q: the scenario has none", what, string(text)))
	default:
		c.wrong(arg, fmt.Sprintf("there is no %s %q: there is %s", what, string(text), strings.Join(known, ", ")))
	}
}

func (c *names) wrong(e ast.Expr, message string) {
	column := c.ast.SourceInfo().GetStartLocation(e.ID()).Column() + 1
	c.found = append(c.found, fmt.Errorf("%s (character %d)", message, column))
}

// literal is the value of a constant, nil for anything else.
func literal(e ast.Expr) any {
	if e.Kind() == ast.LiteralKind {
		return e.AsLiteral()
	}
	return nil
}

func eventNames(s *scenarios.Scenario) (all []string) {
	for _, step := range s.Spec.Timeline {
		all = append(all, step.Name)
	}
	return all
}

func loadNames(s *scenarios.Scenario) (all []string) {
	for _, load := range s.Spec.Load {
		all = append(all, load.Name)
	}
	return all
}

// workloadNames are the roles: those of a shop are its services.
func workloadNames(s *scenarios.Scenario) (all []string) {
	for _, w := range s.Spec.Workloads {
		if w.Shop != nil {
			all = append(all, w.Shop.Services...)
		}
	}
	return all
}

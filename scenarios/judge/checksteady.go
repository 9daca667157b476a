package judge

import (
	"errors"
	"fmt"
	"slices"

	"squall/scenarios"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
)

// checkSteady holds a steady expectation to the window before the first fault.
// With what comes later in it, a system that the fault broke would count as one
// that was not well before, and the run as inconclusive instead of failed.
func checkSteady(s *scenarios.Scenario, e scenarios.Expectation, compiled *cel.Ast) error {
	listed := slices.ContainsFunc(s.Spec.Steady, func(one scenarios.Expectation) bool {
		return one.Name == e.Name && one.That == e.That
	})
	if !listed {
		return nil
	}
	c := names{scenario: s, ast: compiled.NativeRep()}
	c.early(c.ast.Expr())
	return errors.Join(c.found...)
}

// early finds what looks beyond the phase steady.
func (c *names) early(e ast.Expr) {
	name := ""
	switch e.Kind() {
	case ast.IdentKind:
		name = e.AsIdent()
	case ast.SelectKind:
		if c.ast.GetType(e.AsSelect().Operand().ID()).TypeName() == typeLoad {
			name = e.AsSelect().FieldName()
		}
	case ast.CallKind:
		name = e.AsCall().FunctionName()
		if (name == "workload" || name == "hpa") && e.AsCall().IsMemberFunction() {
			name = "" // of a window that is looked at by itself
		}
	}
	if slices.Contains([]string{"fault", "recovery", "run", "event", "window", "workload", "hpa"}, name) {
		c.wrong(e, fmt.Sprintf("%s looks beyond the phase steady: a steady expectation is written over steady and load(l).steady alone", name))
	}
	for _, child := range children(e) {
		c.early(child)
	}
}

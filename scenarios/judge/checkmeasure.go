package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// ambiguous finds measures that have no meaning over several loads, asked of
// all loads at once.
func (c *names) ambiguous(e, operand ast.Expr, measure string) {
	typeName := c.ast.GetType(operand.ID()).TypeName()
	if typeName != typeWindow && typeName != typeEvent {
		return
	}
	single := slices.Contains([]string{"worst", "p", "budget_left"}, measure) || slices.ContainsFunc(fieldsOf(typeName), func(f field) bool {
		return f.name == measure && f.single
	})
	if !single || c.oneLoad(operand) {
		return
	}
	c.wrong(e, fmt.Sprintf("%s over several loads has no meaning: write load(\"%s\") before the window, or another of the loads",
		measure, loadNames(c.scenario)[0]))
}

// oneLoad tells whether a window is that of one load: because there is one, or
// because it begins with load("…").
func (c *names) oneLoad(window ast.Expr) bool {
	count := 0
	for _, load := range c.scenario.Spec.Load {
		if load.On() {
			count++
		}
	}
	if count <= 1 {
		return true
	}
	for window != nil {
		if c.ast.GetType(window.ID()).TypeName() == typeLoad {
			return true
		}
		switch {
		case window.Kind() == ast.SelectKind:
			window = window.AsSelect().Operand()
		case window.Kind() == ast.CallKind && window.AsCall().IsMemberFunction():
			window = window.AsCall().Target()
		default:
			return window.Kind() == ast.CallKind && window.AsCall().FunctionName() == "live"
		}
	}
	return false
}

// argument checks the argument of worst(d), p(x) and budget_left(x) where it is
// written out.
func (c *names) argument(call ast.CallExpr) {
	arg := call.Args()[0]
	if x, ok := literal(arg).(types.Double); ok && call.FunctionName() == "budget_left" && !(x > 0 && x < 1) {
		c.wrong(arg, fmt.Sprintf("budget_left(%v): the target is a share above 0 and below 1", float64(x)))
	}
	if call.FunctionName() == "p" {
		x, ok := 0.0, true
		switch v := literal(arg).(type) {
		case types.Int:
			x = float64(v)
		case types.Double:
			x = float64(v)
		default:
			ok = false
		}
		if ok && !(x > 0 && x <= 100) {
			c.wrong(arg, fmt.Sprintf("p(%v): a quantile is above 0 and up to 100", x))
		}
		return
	}
	d, ok := durationLiteral(arg)
	if !ok {
		return
	}
	if d <= 0 {
		c.wrong(arg, fmt.Sprintf("worst(%s): the length must be above zero", d))
		return
	}
	length, name := c.length(call.Target())
	switch {
	case name == "" || length <= 0:
	case name == "recovery" && d > hold && length > hold:
		c.wrong(arg, fmt.Sprintf("worst(%s): the phase %q may end after %s, once all is well", d, name, hold))
	case d > length:
		c.wrong(arg, fmt.Sprintf("worst(%s): the phase %q lasts %s only", d, name, length))
	}
}

// durationLiteral is the value of duration("…").
func durationLiteral(e ast.Expr) (time.Duration, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "duration" || len(e.AsCall().Args()) != 1 {
		return 0, false
	}
	text, ok := literal(e.AsCall().Args()[0]).(types.String)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(string(text))
	return d, err == nil
}

// length is how long a phase lasts by the scenario, for those whose window is
// never longer; name is empty for other windows.
func (c *names) length(window ast.Expr) (d time.Duration, name string) {
	switch {
	case window.Kind() == ast.IdentKind:
		name = window.AsIdent()
	case window.Kind() == ast.SelectKind:
		name = window.AsSelect().FieldName()
	}
	switch name {
	case "steady":
		return c.scenario.Spec.Phases.Steady, name
	case "fault":
		return c.scenario.Spec.Phases.Fault, name
	case "recovery":
		return c.scenario.Spec.Phases.Recovery, name
	}
	return 0, ""
}

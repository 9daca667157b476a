package judge

import (
	"fmt"
	"strings"

	"squall/reports"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// phrase says in words what a part of an expectation came to, for example "312
// requests were lost in fault, at most 100 were promised".
func (j *jury) phrase(native *ast.AST, e ast.Expr) string {
	if measured, op, bound, ok := comparison(native, e); ok {
		if value := j.part(native, measured); value != nil {
			if clause := clauseOf(native, measured, value); clause != "" {
				return clause + ", " + j.promised(native, measured, op, bound)
			}
		}
	}
	var values []string
	for _, part := range parts(native, e) {
		text := textOf(native, part)
		if value := text + " = " + j.value(text); len(values) == 0 || values[len(values)-1] != value {
			values = append(values, value)
		}
	}
	says := textOf(native, e) + " is " + fmt.Sprint(j.part(native, e) == types.True)
	if len(values) == 0 {
		return says
	}
	return says + " (" + strings.Join(values, ", ") + ")"
}

// promised says what the bound of a measure is.
func (j *jury) promised(native *ast.AST, measured ast.Expr, op string, bound ast.Expr) string {
	how := map[string]string{
		operators.LessEquals: "at most ", operators.Less: "less than ", operators.GreaterEquals: "at least ",
		operators.Greater: "more than ", operators.Equals: "exactly ", operators.NotEquals: "anything but ",
	}[op]
	value := j.part(native, bound)
	if value == nil {
		return how + textOf(native, bound) + " was promised"
	}
	text := quantity(measured, value)
	if _, written := durationLiteral(bound); !written && bound.Kind() != ast.LiteralKind {
		text = textOf(native, bound) + " (" + text + ")"
	}
	if n, ok := value.(types.Int); ok && n != 1 {
		return how + text + " were promised"
	}
	return how + text + " was promised"
}

// quantity is a value of a measure for people: shares in percent.
func quantity(measured ast.Expr, value ref.Val) string {
	switch nameOf(measured) {
	case "availability", "worst", "budget_left", "full_share", "degraded_share", "failed_share":
		return show(types.Double(number(value)*100)) + "%"
	}
	return show(value)
}

// nameOf is the name of a measure, without its arguments.
func nameOf(measured ast.Expr) string {
	if measured.Kind() == ast.SelectKind {
		return measured.AsSelect().FieldName()
	}
	return measured.AsCall().FunctionName()
}

// clauseOf says what a measure came to; empty for one without words.
func clauseOf(native *ast.AST, measured ast.Expr, value ref.Val) string {
	name, text := nameOf(measured), quantity(measured, value)
	owner := measured
	if measured.Kind() == ast.SelectKind {
		owner = measured.AsSelect().Operand()
	} else {
		owner = measured.AsCall().Target()
	}
	if typeName := native.GetType(owner.ID()).TypeName(); typeName == typeWorkload || typeName == typeHPA || typeName == typeUsage {
		return stateClause(native, owner, name, text)
	}
	if clause, ok := eventClause(name, nameIn(owner), value); ok {
		return clause
	}
	where := whereOf(native, owner)
	if clause := classClause(name, text, value); clause != "" {
		return clause + where
	}
	switch name {
	case "lost", "good", "skipped", "requests":
		did := map[string]string{"requests": "sent"}[name]
		if did == "" {
			did = name
		}
		if value == types.Int(1) {
			return "1 request was " + did + where
		}
		return text + " requests were " + did + where
	case "availability":
		return text + " of the requests were good" + where
	case "worst":
		return fmt.Sprintf("in the worst stretch of its length %s of the requests were good%s", text, where)
	case "budget_left":
		return text + " of the error budget was left" + where
	case "longest_outage":
		return "the longest outage took " + text + where
	case "p50", "p90", "p99":
		return "the " + name + " was " + text + where
	case "p":
		return "the quantile " + textOf(native, measured.AsCall().Args()[0]) + " was " + text + where
	case "max":
		return "the slowest request took " + text + where
	}
	return ""
}

// eventClause says what a measure of an event came to.
func eventClause(name, event string, value ref.Val) (clause string, ok bool) {
	never := false
	if d, is := value.(types.Duration); is {
		never = d.Duration == reports.Never
	}
	said, known := map[string][2]string{
		"healed":    {"%s was healed", "%s was never healed"},
		"recovery":  {"%s was recovered from", "%s was never recovered from"},
		"impaired":  {"%s was undone", "%s was never undone"},
		"detected":  {"%s showed in the cluster", "%s never showed in the cluster"},
		"withdrawn": {"the victims of %s were out of their Services", "not all victims of %s were ever out of their Services"},
		"rolled":    {"%s was rolled out", "%s was never rolled out wholly"},
		"drained":   {"the nodes of %s were drained", "the nodes of %s were never drained"},
	}[name]
	switch {
	case known && never:
		return fmt.Sprintf(said[1], event), true
	case known:
		return fmt.Sprintf(said[0]+" after %s", event, show(value)), true
	}
	return "", false
}

// whereOf names a window at the end of a clause.
func whereOf(native *ast.AST, window ast.Expr) string {
	var operand ast.Expr
	where := " in " + textOf(native, window)
	switch {
	case window.Kind() == ast.SelectKind:
		operand = window.AsSelect().Operand()
		where = " in " + window.AsSelect().FieldName()
	case window.Kind() == ast.CallKind && window.AsCall().FunctionName() == "event":
		where = " after " + nameIn(window)
	case window.Kind() == ast.CallKind && window.AsCall().FunctionName() == "window":
		other, _ := literal(window.AsCall().Args()[1]).(types.String)
		where = " between " + nameIn(window) + " and " + string(other)
	}
	if window.Kind() == ast.CallKind && window.AsCall().IsMemberFunction() {
		operand = window.AsCall().Target()
	}
	if operand != nil && native.GetType(operand.ID()).TypeName() == typeLoad {
		where += " under load " + nameIn(operand)
	}
	return where
}

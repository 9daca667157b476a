package judge

import (
	"fmt"

	"squall/reports"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// stateMoment is where a comparison of one measure of a workload or an autoscaler
// broke: for what is measured from the beginning of a window the bound's own
// moment, for an extreme where it was reached, for flaps the last of them.
func (j *jury) stateMoment(native *ast.AST, e ast.Expr) (reports.Offset, bool) {
	measured, op, bound, ok := comparison(native, e)
	if !ok || measured.Kind() != ast.SelectKind {
		return 0, false
	}
	of, field := measured.AsSelect().Operand(), measured.AsSelect().FieldName()
	switch native.GetType(of.ID()).TypeName() {
	case typeWorkload:
		return j.extremeMoment(workloadView{j.run, nameIn(of), j.windowOf(native, of)}, field)
	case typeUsage:
		value, _ := j.part(native, of).(object)
		v, ok := value.value.(usageView)
		if !ok || field != "max" {
			return 0, false
		}
		rounds, gone := v.rounds()
		if gone != nil {
			return 0, false
		}
		return peak(rounds).at, true
	case typeHPA:
		v := hpaView{j.run, nameIn(of), j.windowOf(native, of)}
		if field == "enough" || field == "first_scale_up" {
			d, ok := j.part(native, bound).(types.Duration)
			from, gone := j.run.beginning(v.over)
			return from + d.Duration, ok && d.Duration != reports.Never && gone == nil && (op == operators.LessEquals || op == operators.Less)
		}
		return v.decisionMoment(field)
	}
	return 0, false
}

// windowOf is the window on which a state is asked for, nil when it stands alone.
func (j *jury) windowOf(native *ast.AST, state ast.Expr) *window {
	before := windowBefore(state)
	if before == nil {
		return nil
	}
	value, ok := j.part(native, before).(object)
	if !ok {
		return &window{run: j.run, gone: absent("the window has no value")}
	}
	return value.value.(*window)
}

// extremeMoment is where a workload first had its least, or most, ready pods.
func (j *jury) extremeMoment(v workloadView, field string) (reports.Offset, bool) {
	beyond := map[string]func(ready, than int) bool{
		"least": func(ready, than int) bool { return ready < than },
		"most":  func(ready, than int) bool { return ready > than },
	}[field]
	if beyond == nil {
		return 0, false
	}
	s, gone := v.extreme(beyond)
	return s.at, gone == nil
}

// decisionMoment is where an autoscaler asked for the most, or turned last.
func (v hpaView) decisionMoment(field string) (reports.Offset, bool) {
	all, gone := v.decisions()
	if gone != nil {
		return 0, false
	}
	switch turned := turns(all); {
	case field == "overshoot":
		from, _, _ := v.span()
		return max(most(all).at, from), true
	case field == "flaps" && len(turned) > 0:
		return turned[len(turned)-1].at, true
	}
	return 0, false
}

// usageClause says what a workload used.
func usageClause(native *ast.AST, usage ast.Expr, name, text string) string {
	if usage.Kind() != ast.SelectKind {
		return ""
	}
	workload, while := usage.AsSelect().Operand(), ""
	if before := windowBefore(workload); before != nil {
		while = whereOf(native, before)
	}
	unit := map[string]string{"cpu": "cores", "memory": "bytes of memory"}[usage.AsSelect().FieldName()]
	how := map[string]string{"max": "at most", "mean": "in the mean"}[name]
	return fmt.Sprintf("workload %s used %s %s %s%s", nameIn(workload), how, text, unit, while)
}

// stateClause says what a measure of a workload or an autoscaler came to.
func stateClause(native *ast.AST, owner ast.Expr, name, text string) string {
	if native.GetType(owner.ID()).TypeName() == typeUsage {
		return usageClause(native, owner, name, text)
	}
	at, while := " at the end", ""
	if before := windowBefore(owner); before != nil {
		while = whereOf(native, before)
		at += "," + while
	}
	of := nameIn(owner)
	if native.GetType(owner.ID()).TypeName() == typeWorkload {
		what, known := map[string]string{"ready": "ready pods", "desired": "desired pods", "pods": "pods", "restarts": "restarts"}[name]
		switch {
		case name == "least" || name == "most":
			return fmt.Sprintf("workload %s had at %s %s ready pods%s", of, name, text, while)
		case name == "restarts" && while != "":
			return fmt.Sprintf("workload %s had %s restarts%s", of, text, while)
		case known:
			return fmt.Sprintf("workload %s had %s %s%s", of, text, what, at)
		}
		return ""
	}
	switch name {
	case "desired":
		return fmt.Sprintf("autoscaler %s asked for %s pods%s", of, text, at)
	case "first_scale_up":
		if text == "never" {
			return fmt.Sprintf("autoscaler %s never asked for more pods%s", of, while)
		}
		return fmt.Sprintf("autoscaler %s asked for more pods after %s%s", of, text, while)
	case "enough":
		if text == "never" {
			return fmt.Sprintf("autoscaler %s never had enough pods%s", of, while)
		}
		return fmt.Sprintf("autoscaler %s had enough pods after %s%s", of, text, while)
	case "overshoot":
		return fmt.Sprintf("autoscaler %s asked for %s pods too many%s", of, text, while)
	case "flaps":
		return fmt.Sprintf("autoscaler %s changed its direction %s times%s", of, text, while)
	case "unserved":
		return fmt.Sprintf("%s requests were lost before autoscaler %s had enough pods%s", text, of, while)
	}
	return ""
}

package judge

import (
	"slices"

	"squall/reports"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// moment is where a part of an expectation became false, if that is known.
type moment struct {
	// part is what is told of it: a comparison, or all of an alternative.
	part  ast.Expr
	at    reports.Offset
	known bool
}

// tell says in words what f came to, and where it broke.
func (j *jury) tell(f *reports.Finding, compiled *cel.Ast) {
	native := compiled.NativeRep()
	if *f.Held {
		f.Says = j.phrase(native, native.Expr())
		return
	}
	m := j.broke(native, native.Expr())
	f.Says = j.phrase(native, m.part)
	if m.known {
		f.Broke = j.run.around(m.at)
	}
}

// broke is where e, which is false, became so. Of parts that must all hold it
// is the first that broke; where one of several would do, it is when the last
// one broke.
func (j *jury) broke(native *ast.AST, e ast.Expr) moment {
	if e.Kind() != ast.CallKind {
		return j.leaf(native, e)
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		var first *moment
		for _, arg := range call.Args() {
			if j.part(native, arg) != types.False {
				continue
			}
			if m := j.broke(native, arg); first == nil || m.known && (!first.known || m.at < first.at) {
				first = &m
			}
		}
		if first != nil {
			return *first
		}
	case operators.LogicalOr:
		last := moment{part: e}
		for _, arg := range call.Args() {
			if m := j.broke(native, arg); m.known && (!last.known || m.at > last.at) {
				last.at, last.known = m.at, true
			}
		}
		return last
	}
	return j.leaf(native, e)
}

// leaf is where a part that is no chain of others broke.
func (j *jury) leaf(native *ast.AST, e ast.Expr) moment {
	m := moment{part: e}
	if m.at, m.known = j.deadline(native, e); m.known {
		return m
	}
	if m.at, m.known = j.stateMoment(native, e); m.known {
		return m
	}
	if m.at, m.known = j.crossing(native, e); m.known {
		return m
	}
	m.at, m.known = j.lastChange(native, e)
	return m
}

// deadline is the moment of the bound on what is measured from an event on:
// the injection, or for the recovery from a lasting fault its undo, and the
// bound.
func (j *jury) deadline(native *ast.AST, e ast.Expr) (reports.Offset, bool) {
	measured, op, bound, ok := comparison(native, e)
	if !ok || op != operators.LessEquals && op != operators.Less || measured.Kind() != ast.SelectKind {
		return 0, false
	}
	of, field := measured.AsSelect().Operand(), measured.AsSelect().FieldName()
	if native.GetType(of.ID()).TypeName() != typeEvent ||
		!slices.Contains([]string{"healed", "recovery", "impaired", "detected", "withdrawn", "rolled", "drained"}, field) {
		return 0, false
	}
	d, ok := j.part(native, bound).(types.Duration)
	s, gone := j.run.happened(nameIn(of))
	if !ok || d.Duration == reports.Never || gone != nil {
		return 0, false
	}
	origin := s.injected
	if field == "recovery" && s.lasting {
		if origin, ok = s.stages[reports.StageUndone]; !ok {
			return 0, false
		}
		origin = max(origin, s.injected)
	}
	return origin + d.Duration, true
}

// lastChange is when the last of the workloads and nodes that e looks at changed
// for the last time before the end of quiet, or of its window.
func (j *jury) lastChange(native *ast.AST, e ast.Expr) (at reports.Offset, known bool) {
	if native.GetType(e.ID()).TypeName() == typeUsage { // which has no state that began
		return 0, false
	}
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "workload" {
		return j.run.changed(nameIn(e), j.windowOf(native, e))
	}
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "node" {
		return j.run.nodeChanged(nameIn(e))
	}
	for _, child := range children(e) {
		if when, ok := j.lastChange(native, child); ok {
			at, known = max(at, when), true
		}
	}
	return at, known
}

// changed is when the state of a workload at the end of what is looked at began.
func (r *run) changed(name string, over *window) (at reports.Offset, known bool) {
	finished, gone := r.ending(over)
	if gone != nil {
		return 0, false
	}
	var before reports.WorkloadEntry
	for _, s := range r.states[name] {
		if s.at <= finished && (!known || s.WorkloadEntry != before) {
			at, known, before = s.at, true, s.WorkloadEntry
		}
	}
	return at, known
}

// nodeChanged is when what expectations see of a node at the end of quiet began.
func (r *run) nodeChanged(name string) (at reports.Offset, known bool) {
	finished, ok := r.end("quiet")
	if !ok {
		return 0, false
	}
	var before *reports.NodeEntry
	for _, s := range r.nodes[name] {
		same := before != nil && s.Ready == before.Ready && s.Unschedulable == before.Unschedulable && s.Deleted == before.Deleted
		if s.at <= finished && !same {
			at, known = s.at, true
		}
		before = s.NodeEntry
	}
	return at, known
}

// comparison splits a comparison into the measure in it, which stands alone on
// one side, and its bound, as though the measure stood on the left.
func comparison(native *ast.AST, e ast.Expr) (measured ast.Expr, op string, bound ast.Expr, ok bool) {
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
		return nil, "", nil, false
	}
	turned := map[string]string{
		operators.Less: operators.Greater, operators.LessEquals: operators.GreaterEquals,
		operators.Greater: operators.Less, operators.GreaterEquals: operators.LessEquals,
		operators.Equals: operators.Equals, operators.NotEquals: operators.NotEquals,
	}
	op = e.AsCall().FunctionName()
	other, known := turned[op]
	left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
	switch {
	case !known:
		return nil, "", nil, false
	case isMeasure(native, left):
		return left, op, right, true
	case isMeasure(native, right):
		return right, other, left, true
	}
	return nil, "", nil, false
}

// isMeasure tells whether e is one measure and nothing else.
func isMeasure(native *ast.AST, e ast.Expr) bool {
	all := parts(native, e)
	return len(all) == 1 && all[0].ID() == e.ID()
}

// nameIn is the name that stands in event("x"), load("y").event("x") or
// workload("z").
func nameIn(e ast.Expr) string {
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) == 0 {
		return ""
	}
	name, _ := literal(e.AsCall().Args()[0]).(types.String)
	return string(name)
}

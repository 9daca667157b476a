package judge

import (
	"slices"

	"squall/reports"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types/ref"
)

// values are the measures that an expression is made of, in order of
// appearance, each once, with what they came to in this run.
func (j *jury) values(compiled *cel.Ast) []reports.Value {
	native := compiled.NativeRep()
	var values []reports.Value
	for _, part := range parts(native, native.Expr()) {
		text, err := cel.ExprToString(part, native.SourceInfo())
		if err != nil || slices.ContainsFunc(values, func(v reports.Value) bool { return v.Expr == text }) {
			continue
		}
		values = append(values, reports.Value{Expr: text, Value: j.value(text)})
	}
	return values
}

// value evaluates one part by itself.
func (j *jury) value(text string) string {
	program, err := j.program(text)
	if err != nil {
		return "unknown: " + err.Error()
	}
	value, _, err := program.Eval(j.inputs)
	if err != nil {
		return "absent: " + err.Error()
	}
	return show(value)
}

// program is what evaluates one part by itself.
func (j *jury) program(text string) (cel.Program, error) {
	if made := j.programs[text]; made != nil {
		return made, nil
	}
	compiled, issues := j.env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, err
	}
	made, err := j.env.Program(compiled)
	if err == nil {
		j.programs[text] = made
	}
	return made, err
}

// part evaluates a sub-expression; nil when it has no value.
func (j *jury) part(native *ast.AST, e ast.Expr) ref.Val {
	program, err := j.program(textOf(native, e))
	if err != nil {
		return nil
	}
	value, _, err := program.Eval(j.inputs)
	if err != nil {
		return nil
	}
	return value
}

// textOf is a sub-expression as it is written.
func textOf(native *ast.AST, e ast.Expr) string {
	text, err := cel.ExprToString(e, native.SourceInfo())
	if err != nil { // what was parsed can be written
		return "?"
	}
	return text
}

// parts are the outermost sub-expressions of e that read a measure: a field or
// a method of a window, an event or a workload.
func parts(native *ast.AST, e ast.Expr) []ast.Expr {
	var owner ast.Expr
	switch e.Kind() {
	case ast.SelectKind:
		owner = e.AsSelect().Operand()
	case ast.CallKind:
		if call := e.AsCall(); call.IsMemberFunction() {
			owner = call.Target()
		}
	}
	if owner != nil && fieldsOf(native.GetType(owner.ID()).TypeName()) != nil &&
		fieldsOf(native.GetType(e.ID()).TypeName()) == nil {
		return []ast.Expr{e}
	}
	var all []ast.Expr
	for _, child := range children(e) {
		all = append(all, parts(native, child)...)
	}
	return all
}

// tables are the measures that the reports show beside the expectations.
func (r *run) tables() (windows []reports.WindowMeasure, events []reports.EventMeasure) {
	for _, name := range windowNames() {
		for _, s := range r.loads {
			if w := (loadView{r, s.load.Name}).phase(name); w.gone == nil {
				windows = append(windows, s.measure(w))
			}
		}
	}
	for _, s := range r.steps {
		if s.begun {
			events = append(events, s.measure(r))
		}
	}
	return windows, events
}

package judge

import (
	"squall/scenarios"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// states are workload(w) and hpa(h), alone and on windows and events.
func states(r *run, on ...*cel.Type) []cel.EnvOption {
	var options []cel.EnvOption
	for _, kind := range []struct {
		function, typeName string
		view               func(name string, over *window) any
	}{
		{"workload", typeWorkload, func(name string, over *window) any { return workloadView{r, name, over} }},
		{"hpa", typeHPA, func(name string, over *window) any { return hpaView{r, name, over} }},
	} {
		made, text := cel.ObjectType(kind.typeName), cel.StringType
		overloads := []cel.FunctionOpt{cel.Overload(kind.function+"_string", []*cel.Type{text}, made, cel.UnaryBinding(func(name ref.Val) ref.Val {
			return object{kind.typeName, kind.view(name.Value().(string), nil)}
		}))}
		for _, t := range on {
			overloads = append(overloads, cel.MemberOverload(t.TypeName()+"_"+kind.function, []*cel.Type{t, text}, made, cel.BinaryBinding(func(w, name ref.Val) ref.Val {
				return object{kind.typeName, kind.view(name.Value().(string), w.Value().(*window))}
			})))
		}
		options = append(options, cel.Function(kind.function, overloads...))
	}
	return options
}

// windowBefore is the window on which a state is asked for, as in
// fault.workload("x"); nil when it stands alone.
func windowBefore(state ast.Expr) ast.Expr {
	if state.Kind() == ast.CallKind && state.AsCall().IsMemberFunction() {
		return state.AsCall().Target()
	}
	return nil
}

// hpaName checks the name of an autoscaler: those that the workloads render. A
// scenario that cannot be rendered has findings of its own.
func (c *names) hpaName(arg ast.Expr) {
	if _, written := literal(arg).(types.String); written {
		if _, err := c.scenario.Render(); err != nil {
			return
		}
	}
	c.name(arg, "autoscaler", hpaNames(c.scenario))
}

// hpaNames are the autoscalers that a scenario's workloads render.
func hpaNames(s *scenarios.Scenario) (all []string) {
	rendered, err := s.Render()
	if err != nil {
		return nil
	}
	for _, r := range rendered {
		for _, object := range r.Objects {
			if object.GetKind() == "HorizontalPodAutoscaler" {
				all = append(all, object.GetName())
			}
		}
	}
	return all
}

package judge

import (
	"fmt"
	"slices"

	"squall/scenarios"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// only says which requests a window is narrowed to: those of one target when
// key is empty, else those whose answers had a value.
type only struct{ key, value string }

// has tells whether a request is one of them. An answer without the header, and
// no answer, has the empty value.
func (o only) has(s request) bool {
	if o.key == "" {
		return s.answer.Target == o.value
	}
	return s.answer.By[o.key] == o.value
}

// String is it as an expression writes it.
func (o only) String() string {
	if o.key == "" {
		return fmt.Sprintf("target(%s)", o.value)
	}
	return fmt.Sprintf("by(%s, %s)", o.key, o.value)
}

// narrow is the window with fewer requests in it.
func (w *window) narrow(to only) *window {
	narrower := *w
	narrower.only = append(slices.Clone(w.only), to)
	narrower.name += "." + to.String()
	return &narrower
}

// narrowed are the requests that the window is narrowed to.
func (w *window) narrowed(all []*series) []*series {
	for _, to := range w.only {
		parts := make([]*series, len(all))
		for i, s := range all {
			parts[i] = s.part(to)
		}
		all = parts
	}
	return all
}

// part is the load as if only some of its requests had been sent.
func (s *series) part(to only) *series {
	if known := s.parts[to]; known != nil {
		return known
	}
	part := &series{load: s.load, pace: s.pace}
	for _, one := range s.samples {
		if to.has(one) {
			part.samples = append(part.samples, one)
		}
	}
	part.seal()
	if s.parts == nil {
		s.parts = map[only]*series{}
	}
	s.parts[to] = part
	return part
}

// narrowings are target(t) and by(k, v), on windows and on events.
func narrowings(narrow *cel.Type, on ...*cel.Type) []cel.EnvOption {
	var options []cel.EnvOption
	text := cel.StringType
	for _, t := range on {
		id := t.TypeName()
		options = append(options,
			cel.Function("target", cel.MemberOverload(id+"_target", []*cel.Type{t, text}, narrow, cel.BinaryBinding(func(w, name ref.Val) ref.Val {
				return object{typeWindow, w.Value().(*window).narrow(only{value: name.Value().(string)})}
			}))),
			cel.Function("by", cel.MemberOverload(id+"_by", []*cel.Type{t, text, text}, narrow, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return object{typeWindow, args[0].Value().(*window).narrow(only{args[1].Value().(string), args[2].Value().(string)})}
			}))))
	}
	return options
}

// narrowing checks what a window is narrowed to.
func (c *names) narrowing(e ast.Expr) {
	call := e.AsCall()
	load, count := c.loadOf(call.Target())
	switch {
	case count == 0: // said where the load is named, or where the loads are
		return
	case count > 1:
		c.wrong(e, fmt.Sprintf("%s over several loads has no meaning: write load(\"%s\") before the window, or another of the loads",
			call.FunctionName(), loadNames(c.scenario)[0]))
		return
	}
	if call.FunctionName() == "target" {
		c.name(call.Args()[0], "target", targetNames(load))
		return
	}
	keys := make([]string, 0, len(load.By))
	for key := range load.By {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	c.name(call.Args()[0], "entry of the load's by", keys)
	if _, ok := literal(call.Args()[1]).(types.String); !ok {
		c.wrong(call.Args()[1], "the value must be written out")
	}
}

func targetNames(load scenarios.Load) (all []string) {
	for _, t := range load.Targets {
		all = append(all, t.Name)
	}
	return all
}

// loadOf is the load that a window is of: the one that load("…") names before
// it, or the only one that is switched on; count is how many it is of.
func (c *names) loadOf(window ast.Expr) (load scenarios.Load, count int) {
	named := func(e ast.Expr) string {
		if e.Kind() == ast.CallKind && slices.Contains([]string{"load", "live"}, e.AsCall().FunctionName()) && len(e.AsCall().Args()) > 0 {
			name, _ := literal(e.AsCall().Args()[0]).(types.String)
			return string(name)
		}
		return ""
	}
	name := ""
	for window != nil && name == "" {
		name = named(window)
		switch {
		case window.Kind() == ast.SelectKind:
			window = window.AsSelect().Operand()
		case window.Kind() == ast.CallKind && window.AsCall().IsMemberFunction():
			window = window.AsCall().Target()
		default:
			window = nil
		}
	}
	var on []scenarios.Load
	for _, load := range c.scenario.Spec.Load {
		if load.Name == name {
			return load, 1
		}
		if load.On() {
			on = append(on, load)
		}
	}
	if name != "" || len(on) == 0 {
		return scenarios.Load{}, 0
	}
	return on[0], len(on)
}

package judge

import (
	"fmt"
	"sync"

	"squall/reports"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Limits of an expression, far above what people write: they bound the time
// that hostile text can take.
const (
	maxLength  = 2000 // characters
	maxNesting = 40   // brackets within brackets
)

// checker is the environment in which expressions are checked, made when it is
// first needed since it takes milliseconds. It has no run: it evaluates nothing.
var checker = sync.OnceValues(func() (*cel.Env, error) { return newEnv(nil, nil) })

// newEnv makes the environment in which expressions about r are evaluated, with
// more in it where the expressions have more. What types are asked in vain for
// goes into missed, when it is not nil.
func newEnv(r *run, missed *[]miss, more ...cel.EnvOption) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("prepare the language of expectations: %w", err)
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(standard())),
		cel.CustomTypeAdapter(registry),
		cel.CustomTypeProvider(provider{registry, missed}),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxLength),
		cel.ParserRecursionLimit(maxNesting),
		cel.ASTValidators(cel.ValidateDurationLiterals()),
	}
	for _, name := range windowNames() {
		options = append(options, cel.Variable(name, cel.ObjectType(typeWindow)))
	}
	options = append(options, equality()...)
	options = append(options, arithmetic()...)
	options = append(options, measures(r)...)
	options = append(options, more...)
	made, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the language of expectations: %w", err)
	}
	return made, nil
}

// standard is what we take of CEL's own library. Macros and regular expressions
// have no use here, and without them every expression ends in linear time.
func standard() *env.LibrarySubset {
	subset := &env.LibrarySubset{DisableMacros: true}
	for _, name := range []string{
		operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional,
		operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
		operators.Negate, "duration", "double", "int",
	} {
		subset.IncludeFunctions = append(subset.IncludeFunctions, env.NewFunction(name))
	}
	return subset
}

// equality is == and != on plain values, and across numbers, so that
// "fault.availability == 1" passes the type check as "<=" does. CEL evaluates
// both by value, whatever is declared.
func equality() []cel.EnvOption {
	i, f := cel.IntType, cel.DoubleType
	pairs := [][]*cel.Type{
		{i, i}, {f, f}, {i, f}, {f, i},
		{cel.BoolType, cel.BoolType}, {cel.StringType, cel.StringType}, {cel.DurationType, cel.DurationType},
	}
	var options []cel.EnvOption
	for _, op := range []string{operators.Equals, operators.NotEquals} {
		for _, pair := range pairs {
			id := op + pair[0].String() + "_" + pair[1].String()
			options = append(options, cel.Function(op, cel.Overload(id, pair, cel.BoolType)))
		}
	}
	return options
}

// measures are our functions, bound to r.
func measures(r *run) []cel.EnvOption {
	whole := loadView{run: r}
	window, event := cel.ObjectType(typeWindow), cel.ObjectType(typeEvent)
	load, node, text := cel.ObjectType(typeLoad), cel.ObjectType(typeNode), cel.StringType
	options := []cel.EnvOption{
		cel.Function("load", cel.Overload("load_string", []*cel.Type{text}, load, cel.UnaryBinding(func(name ref.Val) ref.Val {
			return object{typeLoad, loadView{r, name.Value().(string)}}
		}))),
		cel.Function("node", cel.Overload("node_string", []*cel.Type{text}, node, cel.UnaryBinding(func(name ref.Val) ref.Val {
			return object{typeNode, nodeView{r, name.Value().(string)}}
		}))),
		cel.Function("event",
			cel.Overload("event_string", []*cel.Type{text}, event, cel.UnaryBinding(func(name ref.Val) ref.Val {
				return object{typeEvent, whole.event(name.Value().(string))}
			})),
			cel.MemberOverload("load_event", []*cel.Type{load, text}, event, cel.BinaryBinding(func(l, name ref.Val) ref.Val {
				return object{typeEvent, l.Value().(loadView).event(name.Value().(string))}
			}))),
		cel.Function("window",
			cel.Overload("window_string", []*cel.Type{text, text}, window, cel.BinaryBinding(func(one, other ref.Val) ref.Val {
				return object{typeWindow, whole.between(one.Value().(string), other.Value().(string))}
			})),
			cel.MemberOverload("load_window", []*cel.Type{load, text, text}, window, cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return object{typeWindow, args[0].Value().(loadView).between(args[1].Value().(string), args[2].Value().(string))}
			}))),
	}
	options = append(options, narrowings(window, window, event)...)
	options = append(options, states(r, window, event)...)
	return append(options, methods(window, event)...)
}

// methods are worst(d), p(x) and budget_left(x), on windows and on events.
func methods(on ...*cel.Type) []cel.EnvOption {
	worst := cel.BinaryBinding(func(w, d ref.Val) ref.Val {
		share, gone := w.Value().(*window).worst(span(d))
		return either(types.Double(share), gone)
	})
	latency := cel.BinaryBinding(func(w, x ref.Val) ref.Val {
		d, gone := w.Value().(*window).latency(number(x))
		return either(types.Duration{Duration: d}, gone)
	})
	budget := cel.BinaryBinding(func(w, x ref.Val) ref.Val {
		left, gone := w.Value().(*window).budgetLeft(number(x))
		return either(types.Double(left), gone)
	})
	var options []cel.EnvOption
	for _, t := range on {
		id := t.TypeName()
		options = append(options,
			cel.Function("worst", cel.MemberOverload(id+"_worst", []*cel.Type{t, cel.DurationType}, cel.DoubleType, worst)),
			cel.Function("budget_left", cel.MemberOverload(id+"_budget_left", []*cel.Type{t, cel.DoubleType}, cel.DoubleType, budget)),
			cel.Function("p",
				cel.MemberOverload(id+"_p_int", []*cel.Type{t, cel.IntType}, cel.DurationType, latency),
				cel.MemberOverload(id+"_p_double", []*cel.Type{t, cel.DoubleType}, cel.DurationType, latency)))
	}
	return options
}

func either(v ref.Val, gone *absence) ref.Val {
	if gone != nil {
		return types.WrapErr(gone)
	}
	return v
}

// inputs are the variables of an expression about r.
func inputs(r *run) map[string]any {
	all := map[string]any{}
	for _, name := range windowNames() {
		all[name] = object{typeWindow, loadView{run: r}.phase(name)}
	}
	return all
}

// show writes a value for people, without rounding what decides.
func show(v ref.Val) string {
	switch v := v.(type) {
	case types.Duration:
		if v.Duration == reports.Never {
			return "never"
		}
		return v.Duration.Round(1000).String()
	case types.Double:
		return fmt.Sprintf("%.9g", float64(v))
	}
	return fmt.Sprint(v.Value())
}

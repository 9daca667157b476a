package judge

import (
	"math"

	"squall/reports"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// arithmetic are + - * / on numbers and durations. CEL's own lack "3 *
// steady.p99" and "fault.p99 / steady.p99", and know nothing of "never", which
// stays never whatever is added to it.
func arithmetic() []cel.EnvOption {
	i, f, d := cel.IntType, cel.DoubleType, cel.DurationType
	over := func(id string, a, b, to *cel.Type, op func(a, b ref.Val) ref.Val) cel.FunctionOpt {
		return cel.Overload(id, []*cel.Type{a, b}, to, cel.BinaryBinding(op))
	}
	add := func(a, b ref.Val) ref.Val { return a.(traits.Adder).Add(b) }
	subtract := func(a, b ref.Val) ref.Val { return a.(traits.Subtractor).Subtract(b) }
	multiply := func(a, b ref.Val) ref.Val { return a.(traits.Multiplier).Multiply(b) }
	divide := func(a, b ref.Val) ref.Val { return a.(traits.Divider).Divide(b) }
	scale := func(d, by ref.Val) ref.Val { return scaled(span(d), number(by)) }
	return []cel.EnvOption{
		cel.Function(operators.Add,
			over("add_int", i, i, i, add), over("add_double", f, f, f, add),
			over("add_duration", d, d, d, func(a, b ref.Val) ref.Val { return sum(span(a), span(b)) })),
		cel.Function(operators.Subtract,
			over("subtract_int", i, i, i, subtract), over("subtract_double", f, f, f, subtract),
			over("subtract_duration", d, d, d, func(a, b ref.Val) ref.Val { return difference(span(a), span(b)) })),
		cel.Function(operators.Multiply,
			over("multiply_int", i, i, i, multiply), over("multiply_double", f, f, f, multiply),
			over("multiply_duration_int", d, i, d, scale), over("multiply_duration_double", d, f, d, scale),
			over("multiply_int_duration", i, d, d, func(a, b ref.Val) ref.Val { return scale(b, a) }),
			over("multiply_double_duration", f, d, d, func(a, b ref.Val) ref.Val { return scale(b, a) })),
		cel.Function(operators.Divide,
			over("divide_int", i, i, i, divide), over("divide_double", f, f, f, divide),
			over("divide_duration_int", d, i, d, func(a, b ref.Val) ref.Val { return scaled(span(a), 1/number(b)) }),
			over("divide_duration_double", d, f, d, func(a, b ref.Val) ref.Val { return scaled(span(a), 1/number(b)) }),
			over("divide_duration", d, d, f, func(a, b ref.Val) ref.Val { return ratio(span(a), span(b)) })),
	}
}

func span(v ref.Val) reports.Offset { return v.(types.Duration).Duration }

func number(v ref.Val) float64 {
	if n, ok := v.(types.Int); ok {
		return float64(n)
	}
	return float64(v.(types.Double))
}

func gone(format string, args ...any) ref.Val { return types.WrapErr(absent(format, args...)) }

func sum(a, b reports.Offset) ref.Val {
	if a == reports.Never || b == reports.Never {
		return types.Duration{Duration: reports.Never}
	}
	if s := float64(a) + float64(b); math.Abs(s) >= math.MaxInt64 {
		return gone("the sum of %s and %s is out of range", a, b)
	}
	return types.Duration{Duration: a + b}
}

func difference(a, b reports.Offset) ref.Val {
	switch {
	case b == reports.Never:
		return gone("what never happened cannot be subtracted")
	case a == reports.Never:
		return types.Duration{Duration: reports.Never}
	case math.Abs(float64(a)-float64(b)) >= math.MaxInt64:
		return gone("the difference of %s and %s is out of range", a, b)
	}
	return types.Duration{Duration: a - b}
}

func scaled(d reports.Offset, by float64) ref.Val {
	if d == reports.Never {
		if by > 0 {
			return types.Duration{Duration: reports.Never}
		}
		return gone("never times %v has no meaning", by)
	}
	product := float64(d) * by
	if !(math.Abs(product) < math.MaxInt64) { // NaN too
		return gone("%s times %v is out of range", d, by)
	}
	return types.Duration{Duration: reports.Offset(math.Round(product))}
}

func ratio(a, b reports.Offset) ref.Val {
	switch {
	case b == 0:
		return gone("cannot divide %s by zero", a)
	case a == reports.Never && b == reports.Never:
		return gone("cannot divide never by never")
	case a == reports.Never:
		return types.Double(math.Inf(1))
	case b == reports.Never:
		return types.Double(0)
	}
	return types.Double(float64(a) / float64(b))
}

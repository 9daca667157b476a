package judge

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"squall/reports"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// The types that expressions have besides CEL's own.
const (
	typeWindow   = "Window"
	typeEvent    = "Event"
	typeLoad     = "Load"
	typeWorkload = "Workload"
	typeNode     = "Node"
	typeHPA      = "HPA"
	typeUsage    = "Usage"
)

// field is a field of one of our types.
type field struct {
	name string
	typ  *types.Type
	get  func(target any) (ref.Val, *absence)
	// single is set when it has no meaning over several loads at once.
	single bool
}

// fieldsOf are the fields of a type, in the order in which messages name them;
// nil for a type that is not ours.
func fieldsOf(typeName string) []field {
	switch typeName {
	case typeWindow:
		return windowFields()
	case typeEvent:
		return append(eventFields(), windowFields()...)
	case typeLoad:
		return loadFields()
	case typeWorkload:
		return workloadFields()
	case typeNode:
		return nodeFields()
	case typeHPA:
		return hpaFields()
	case typeUsage:
		return usageFields()
	}
	return nil
}

func windowFields() []field {
	count := func(name string) field {
		return field{name: name, typ: types.IntType, get: func(target any) (ref.Val, *absence) {
			n, gone := target.(*window).count(name)
			return types.Int(n), gone
		}}
	}
	quantile := func(name string, percent float64) field {
		return field{name: name, typ: types.DurationType, single: true, get: func(target any) (ref.Val, *absence) {
			d, gone := target.(*window).latency(percent)
			return types.Duration{Duration: d}, gone
		}}
	}
	return append([]field{
		count("lost"), count("requests"), count("good"), count("skipped"),
		{name: "availability", typ: types.DoubleType, single: true, get: func(target any) (ref.Val, *absence) {
			share, gone := target.(*window).availability()
			return types.Double(share), gone
		}},
		duration("longest_outage", true, (*window).longestOutage),
		quantile("p50", 50), quantile("p90", 90), quantile("p99", 99), quantile("max", 100),
	}, classFields()...)
}

func eventFields() []field {
	return []field{
		duration("healed", false, (*window).healed),
		duration("recovery", false, (*window).recovery),
		duration("impaired", false, (*window).impaired),
		duration("detected", false, (*window).detected),
		duration("withdrawn", false, (*window).withdrawn),
		duration("rolled", false, (*window).rolled),
		duration("drained", false, (*window).drained),
		yesNo("happened", func(s *step) (bool, *absence) { return s.bitten(), nil }),
		yesNo("injected", func(*step) (bool, *absence) { return true, nil }),
		yesNo("undone", (*step).undone),
	}
}

// yesNo is a field that is false of an event that was not injected.
func yesNo(name string, get func(*step) (bool, *absence)) field {
	return field{name: name, typ: types.BoolType, get: func(target any) (ref.Val, *absence) {
		w := target.(*window)
		if w.step == nil && w.gone != nil && w.gone.calm {
			return nil, w.gone
		}
		if w.step == nil {
			return types.False, nil
		}
		is, gone := get(w.step)
		return types.Bool(is), gone
	}}
}

func duration(name string, single bool, get func(*window) (reports.Offset, *absence)) field {
	return field{name: name, typ: types.DurationType, single: single, get: func(target any) (ref.Val, *absence) {
		w := target.(*window)
		d, gone := get(w)
		if gone == nil && d == reports.Never && w.run.present {
			gone = absent("it is not over yet in %s", w.name)
		}
		return types.Duration{Duration: d}, gone
	}}
}

func loadFields() []field {
	var all []field
	for _, name := range windowNames() {
		all = append(all, field{name: name, typ: types.NewObjectType(typeWindow), get: func(target any) (ref.Val, *absence) {
			return object{typeWindow, target.(loadView).phase(name)}, nil
		}})
	}
	return all
}

// windowNames are the windows that every run has.
func windowNames() []string { return []string{"steady", "fault", "recovery", "run"} }

// methodsOf are the methods of a type, as messages name them.
func methodsOf(typeName string) []string {
	switch typeName {
	case typeWindow, typeEvent:
		return []string{"worst(d)", "p(x)", "budget_left(x)", "target(t)", "by(k, v)", "workload(w)", "hpa(h)"}
	case typeLoad:
		return []string{"event(e)", "window(e1, e2)"}
	}
	return nil
}

// object is a value of one of our types. It has fields and nothing else.
type object struct {
	typeName string
	value    any
}

func (o object) ConvertToNative(to reflect.Type) (any, error) {
	return nil, fmt.Errorf("a %s is no %s", o.typeName, to)
}

func (o object) ConvertToType(to ref.Type) ref.Val {
	return types.NewErr("a %s is no %s", o.typeName, to.TypeName())
}

func (o object) Equal(other ref.Val) ref.Val {
	return types.NewErr("a %s cannot be compared: compare its fields", o.typeName)
}

func (o object) Type() ref.Type { return types.NewObjectType(o.typeName) }
func (o object) Value() any     { return o.value }

// provider tells CEL the fields of our types.
type provider struct {
	types.Provider
	// missed, when not nil, collects what was asked for in vain.
	missed *[]miss
}

// miss is a field that a type does not have.
type miss struct{ typeName, field string }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if fieldsOf(name) != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if all := fieldsOf(name); all != nil {
		names := make([]string, len(all))
		for i, f := range all {
			names[i] = f.name
		}
		return names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	all := fieldsOf(name)
	if all == nil {
		return p.Provider.FindStructFieldType(name, fieldName)
	}
	i := slices.IndexFunc(all, func(f field) bool { return f.name == fieldName })
	if i < 0 {
		if p.missed != nil {
			*p.missed = append(*p.missed, miss{name, fieldName})
		}
		return nil, false
	}
	get := all[i].get
	return &types.FieldType{
		Type:  all[i].typ,
		IsSet: func(target any) bool { _, gone := get(target); return gone == nil },
		GetFrom: func(target any) (any, error) {
			v, gone := get(target)
			if gone != nil { // not "return v, gone": a nil *absence is no nil error
				return nil, gone
			}
			return v, nil
		},
	}, true
}

// String says what the type has instead.
func (m miss) String() string {
	var names []string
	for _, f := range fieldsOf(m.typeName) {
		names = append(names, f.name)
	}
	names = append(names, methodsOf(m.typeName)...)
	return fmt.Sprintf("%q is not in %s: it has %s", m.field, article(m.typeName), strings.Join(names, ", "))
}

package judge

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Measure is one thing that an expectation can ask for: a window, or what a
// window, an event or a workload has.
type Measure struct {
	// Of is what has it: "window", "event", "workload", "usage" (of a workload's
	// cpu or memory), "hpa" or "node"; empty for the windows themselves.
	Of string
	// Name is how it is written, after the dot: "lost", "worst(d)".
	Name string
	// Type is int, double, duration, bool, window, workload, usage or hpa.
	Type string
	// Single is set when it has no meaning over several loads at once.
	Single bool
	// Condition is set when it exists only inside "when" and "abort".
	Condition bool
	// Says is what it is, in sentences.
	Says string
	// Example is an expectation that uses it.
	Example string
}

// Measures are all of them, windows first, then what windows, events, workloads,
// autoscalers and nodes have, in the order of docs/measures.md.
func Measures() []Measure {
	all := windowMeasures()
	for _, of := range []struct {
		name    string
		fields  []field
		methods []string
	}{
		{"window", windowFields(), methodsOf(typeWindow)},
		{"event", eventFields(), nil},
		{"workload", workloadFields(), nil},
		{"usage", usageFields(), nil},
		{"hpa", hpaFields(), nil},
		{"node", nodeFields(), nil},
	} {
		for _, f := range of.fields {
			all = append(all, Measure{Of: of.name, Name: f.name, Type: shortType(f.typ), Single: f.single})
		}
		for _, m := range of.methods {
			typ := methodType(m)
			all = append(all, Measure{Of: of.name, Name: m, Type: typ, Single: typ != bare(m)})
		}
	}
	for i, m := range all {
		if m.Of != "" {
			all[i].Says, all[i].Example = words(m.Of + "." + m.Name)
		}
	}
	return all
}

// Explain finds measures by what people write of them: "recovery",
// "event.recovery", `event("kill").recovery`, "fault.lost", "worst". Those of a name
// that several things have are all of them.
func Explain(asked string) []Measure {
	name, of := asked, ""
	if i := lastDot(asked); i >= 0 {
		name, of = asked[i+1:], owner(asked[:i])
		if of == "" {
			return nil
		}
	}
	name = bare(name)
	var found []Measure
	for _, m := range Measures() {
		if bare(m.Name) == name && (of == "" || m.Of == of || of == "event" && m.Of == "window" || of == "load" && m.Of == "") {
			found = append(found, m)
		}
	}
	return found
}

// lastDot is the last dot outside brackets and quotes; -1 without one.
func lastDot(s string) int {
	depth, quoted, last := 0, false, -1
	for i, r := range s {
		switch {
		case r == '"' || r == '\'':
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == '.' && depth == 0:
			last = i
		}
	}
	return last
}

// bare is a name without its arguments.
func bare(name string) string {
	name, _, _ = strings.Cut(name, "(")
	return strings.TrimSpace(name)
}

// owner is what has the fields that come after an expression: window, event,
// workload, hpa, node or load; empty for what there is not.
func owner(expression string) string {
	name := expression
	if i := lastDot(expression); i >= 0 {
		name = expression[i+1:]
	}
	switch name = bare(name); {
	case slices.Contains([]string{"event", "workload", "hpa", "node", "load"}, name):
		return name
	case name == "cpu" || name == "memory":
		return "usage"
	case slices.Contains([]string{"window", "live", "target", "by"}, name) || slices.Contains(windowNames(), name):
		return "window"
	}
	return ""
}

func shortType(t *types.Type) string {
	if t.IsExactType(cel.DurationType) {
		return "duration"
	}
	if fieldsOf(t.TypeName()) != nil { // one of ours
		return strings.ToLower(t.TypeName())
	}
	return t.TypeName()
}

func methodType(method string) string {
	switch bare(method) {
	case "worst", "budget_left":
		return "double"
	case "target", "by":
		return "window"
	case "workload", "hpa":
		return bare(method)
	}
	return "duration"
}

// windowMeasures are the windows.
func windowMeasures() []Measure {
	phase := func(name, what string) Measure {
		return Measure{Name: name, Type: "window", Says: "The requests that were due while the phase *" + name +
			"* lasted: from its beginning up to, and without, that of the next. " + what, Example: name + ".lost == 0"}
	}
	return []Measure{
		phase("steady", "No fault is there yet: what is worse here is not the fault's doing."),
		phase("fault", "The first fault begins with it."),
		phase("recovery", "It ends early, after 3 s at the soonest, once all is well."),
		{Name: "run", Type: "window", Says: "From the beginning of *warmup* to the end of *recovery*.", Example: "run.availability > 0.999"},
		{Name: "event(e)", Type: "window", Says: "From the injection of the event `e` to the end of *recovery*. It has the measures of events besides.",
			Example: `event("kill").lost <= 100`},
		{Name: "window(a, b)", Type: "window", Says: "From the injection of the event `a` to that of `b`.", Example: `window("cut", "heal").lost <= 500`},
		{Name: "live(l, d)", Type: "window", Condition: true, Says: "The requests of the load `l` that were due in the last `d` of which all is known: it ends at the due time of " +
			"the first request that has no answer yet and may still be good, or now. A request that has none when `good.within` is over, and 0.2 s for the way, is bad, and " +
			"took at least as long as it has waited. Absent until so much is known since the beginning of *warmup*. " +
			"It exists only inside `when` and `abort`.", Example: `live("browse", duration("5s")).availability < 0.9`},
	}
}

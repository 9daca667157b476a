package scenarios

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"squall/workloads"

	"go.yaml.in/yaml/v3"
)

// The sets of timers that a cluster can run with: Kubernetes' own, and those cut
// down by the table in docs/nodes.md.
const (
	TimersStock = "stock"
	TimersFast  = "fast"
)

// MaxWorkers is the largest number of worker nodes that a cluster starts with,
// and manyControlPlanes the number of control-plane nodes when it is not one.
const (
	MaxWorkers        = 5
	manyControlPlanes = 3
)

// maxEntries bounds each list of named entries; twins cost a whole run each and
// have a bound of their own.
const (
	maxEntries = 100
	maxTwins   = 20
)

// checker looks for what the shape of a file cannot show: values out of range,
// names that nothing bears, times outside the run. Its findings point at the
// path, or at the nearest place above it that the file has.
type checker struct {
	d        *decoder
	s        *Scenario
	check    Checker
	rendered []workloads.Rendered // of the workloads that could be rendered
	whole    bool                 // every enabled workload could be rendered
}

// all runs every check.
func (c *checker) all() {
	c.head()
	c.cluster()
	c.workloads()
	c.loads()
	c.phases()
	c.timeline()
	c.aborts()
	c.expectations("spec.steady", c.s.Spec.Steady)
	c.expectations("spec.expect", c.s.Spec.Expect)
	c.twins()
}

// report adds a finding at path, with the value that stands there.
func (c *checker) report(path, problem string, allowed ...string) {
	found := Finding{Path: path, Problem: problem, Allowed: allowed}
	if at, ok := c.d.places[path]; ok && at.value.Kind == yaml.ScalarNode {
		found.Value = brief(at.value)
	}
	c.d.say(c.node(path), found)
}

// node is where path stands: its value, or the key of the nearest path above it
// that the file has.
func (c *checker) node(path string) *yaml.Node {
	if at, ok := c.d.places[path]; ok {
		return at.value
	}
	for p := parentPath(path); p != ""; p = parentPath(p) {
		at, ok := c.d.places[p]
		if ok && at.key != nil {
			return at.key
		}
		if ok {
			return at.value
		}
	}
	return c.d.places[""].value
}

// sound tells whether nothing was found at path or below it.
func (c *checker) sound(path string) bool { return !c.d.broken[path] }

// need reports a required field that the file does not set. It says nothing
// when something above the field is wrong itself.
func (c *checker) need(path, example string) bool {
	if c.d.has(path) {
		return c.sound(path)
	}
	for p := parentPath(path); p != ""; p = parentPath(p) {
		if c.d.wrong[p] {
			return false
		}
	}
	c.report(path, "is missing; write for example "+example)
	return false
}

// head checks what every file begins with.
func (c *checker) head() {
	if c.need("apiVersion", APIVersion) && c.s.APIVersion != APIVersion {
		c.report("apiVersion", "is not a format that this Squall reads", APIVersion)
	}
	if c.need("kind", Kind) && c.s.Kind != Kind {
		c.report("kind", "is not a kind that this Squall reads", Kind)
	}
	if c.need("metadata.name", "pod-kill") && !dnsLabel(c.s.Metadata.Name) {
		c.report("metadata.name", dnsLabelRule)
	}
	if !c.d.has("spec") {
		c.report("spec", "is missing; it says what to run, what to break and what must hold")
	}
}

// phases checks the lengths of the phases.
func (c *checker) phases() {
	for _, span := range c.s.Spec.Phases.Spans() {
		at, length := "spec.phases."+span.Name, span.To-span.From
		switch {
		case !c.sound(at):
		case length == 0 && span.Name != PhaseWarmup:
			c.report(at, "the phase has no length, so nothing could be measured in it")
		case length > maxPhase:
			c.report(at, fmt.Sprintf("a phase is at most %s long", maxPhase))
		}
	}
}

// entryNames are the names of a list's entries, checked: there, well-formed,
// not twice, not too many.
func (c *checker) entryNames(path string, names []string, most int) {
	list := c.d.places[path].value
	if len(names) > most {
		c.report(path, fmt.Sprintf("holds %d entries; at most %d are read", len(names), most))
	}
	first := map[string]*yaml.Node{}
	for i, name := range names {
		at := c.d.entry(path, name, i)
		if !c.sound(at+".name") || list == nil || i >= len(list.Content) || list.Content[i].Kind != yaml.MappingNode {
			continue
		}
		_, node := lookup(list.Content[i], "name")
		if node == nil {
			c.d.say(list.Content[i], Finding{Path: at, Problem: "has no name; every entry of a list has one, by which others address it"})
			continue
		}
		if problem := nameProblem(name); problem != "" {
			c.d.say(node, Finding{Path: at + ".name", Value: brief(node), Problem: problem})
		}
		if before := first[name]; before != nil {
			c.d.say(node, Finding{Path: at + ".name", Value: brief(node), Problem: fmt.Sprintf("the name is taken by the entry in line %d", before.Line)})
			continue
		}
		first[name] = node
	}
}

// nameProblem says why a name is not one that paths and expressions can hold.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "a name is not empty"
	case len(name) > 63:
		return "a name is at most 63 bytes long"
	case strings.TrimSpace(name) != name:
		return "a name has no space at its ends"
	case strings.HasPrefix(name, "#"):
		return "a name does not begin with #, which stands for an entry without one"
	case strings.ContainsAny(name, `[]"'\`) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "a name is printable and has no brackets, quotes or backslashes, so that paths and expressions can hold it"
	}
	return ""
}

const dnsLabelRule = "must be a DNS label: 1 to 63 lower-case letters, digits and dashes, beginning and ending with a letter or digit"

// dnsLabel tells whether a name is an RFC 1123 label, as Kubernetes wants it.
func dnsLabel(name string) bool {
	return len(name) <= 63 && regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`).MatchString(name)
}

package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"squall/chaos"
	"squall/workloads"

	"go.yaml.in/yaml/v3"
)

// fault decodes a Chaos Mesh object, or one of Squall's own kinds; nil means that a finding was added. A
// namespace that the object does not name is the scenario's.
func (d *decoder) fault(n *yaml.Node, path string) *chaos.Object {
	if n.Kind != yaml.MappingNode {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be a Chaos Mesh object, or one of Squall's own kinds: a map with kind and spec"})
		return nil
	}
	if key, _ := lookup(n, "file"); key != nil {
		d.say(key, Finding{Path: path + ".file", Problem: "not in this version of Squall; write the object here"})
		return nil
	}
	value, ok := d.free(n, path)
	if !ok {
		return nil
	}
	d.narrowed(path, value)
	raw, err := json.Marshal(value)
	if err != nil {
		d.say(n, Finding{Path: path, Problem: "cannot be said in JSON: " + err.Error()})
		return nil
	}
	object, err := chaos.Decode(raw)
	if err == nil {
		return object.In(Namespace)
	}
	d.sayFault(n, path, err)
	return nil
}

// narrowed fills in the selector of a fault on nodes that its entry narrows by
// "victims": it takes all of them.
func (d *decoder) narrowed(path string, fault any) {
	object, _ := fault.(map[string]any)
	spec, _ := object["spec"].(map[string]any)
	entry := d.places[parentPath(path)].value
	if object["kind"] != "NodeChaos" || spec == nil || entry == nil {
		return
	}
	if key, _ := lookup(entry, "victims"); key == nil {
		return
	}
	if _, written := spec["selector"]; !written {
		spec["selector"] = map[string]any{}
	}
}

// sayFault adds a finding for each thing that is wrong with a fault.
func (d *decoder) sayFault(n *yaml.Node, path string, err error) {
	var invalid *chaos.InvalidError
	if !errors.As(err, &invalid) {
		d.say(n, Finding{Path: path, Problem: oneLine(err)})
		return
	}
	for _, f := range invalid.Findings {
		at, node := path, n
		if f.Path != "" {
			at = path + "." + f.Path
			node = d.faultNode(at, n)
		}
		d.say(node, Finding{Path: at, Problem: strings.ReplaceAll(f.Message, "\n", "; ")})
	}
}

// faultNode is where a path inside a fault stands, or the nearest place above
// it; the fault itself when there is none.
func (d *decoder) faultNode(path string, fault *yaml.Node) *yaml.Node {
	for p := path; p != ""; p = parentPath(p) {
		at, ok := d.places[p]
		switch {
		case !ok:
		case at.value == fault:
			return fault
		case p == path || at.key == nil:
			return at.value
		default:
			return at.key
		}
	}
	return fault
}

// fault checks a decoded fault against the run: that it may last as long as the
// entry says, and that there is something that it could hit.
func (c *checker) fault(at string, step Step) {
	fault, err := step.Chaos.Fault()
	if err != nil {
		c.report(at+".chaos", oneLine(err))
		return
	}
	c.lasting(at, step, fault)
	if step.Chaos.HitsNodes() {
		c.hitsNodes(at+".chaos.spec.selector", step.Chaos)
		return
	}
	if !step.On() || !c.whole {
		return
	}
	roles := c.roles()
	hit := slices.ContainsFunc(roles, func(r workloads.Role) bool { return step.Chaos.MatchTemplate(Template(r)) })
	if hit {
		return
	}
	path := at + ".chaos.spec.selector"
	c.report(path, "selects no pod of the workloads that are switched on; they have "+rolesText(roles))
}

// lasting checks "for" against the fault's kind and its own duration.
func (c *checker) lasting(at string, step Step, fault chaos.Fault) {
	begins := c.s.Spec.Phases.Latest(step)
	own := step.Chaos.Duration()
	if !c.d.has(at + ".for") {
		if begins+own > c.s.Spec.Phases.Total() && c.sound("spec.phases") {
			c.report(at+".chaos.spec.duration", "the fault would last beyond the end of recovery")
		}
		return
	}
	if !c.sound(at + ".for") {
		return
	}
	_, undone := fault.(chaos.Undoer)
	switch {
	case !undone:
		c.report(at+".for", step.Chaos.Describe()+" is instant: it has no length; remove it")
	case step.For == 0:
		c.report(at+".for", "a fault lasts longer than 0s")
	case own != 0 && own != step.For:
		c.report(at+".for", fmt.Sprintf("differs from the fault's own duration, %s; write one of them", own))
	case begins+step.For > c.s.Spec.Phases.Total():
		c.report(at+".for", "the fault would last beyond the end of recovery")
	}
}

// FaultNodes are the nodes that a fault may hit: all but the client host, from
// which load is sent.
func (c Cluster) FaultNodes() []chaos.NodeTemplate {
	var nodes []chaos.NodeTemplate
	for i := 1; i < c.ControlPlanes; i++ { // the first is the client host
		nodes = append(nodes, chaos.NodeTemplate{Role: chaos.RoleControlPlane, Ordinal: i})
	}
	for i := range max(c.Workers, 0) {
		nodes = append(nodes, chaos.NodeTemplate{Role: chaos.RoleWorker, Ordinal: i})
	}
	return nodes
}

// Template is what is known of a role's pods before they exist, as faults see
// it.
func Template(r workloads.Role) chaos.Template {
	return chaos.Template{Namespace: r.Namespace, Role: r.Name, Labels: r.PodLabels, Annotations: r.PodAnnotations}
}

// rolesText lists the roles with their labels, for a message.
func rolesText(roles []workloads.Role) string {
	var list []string
	for _, r := range roles {
		var labels []string
		for key, value := range r.PodLabels {
			labels = append(labels, key+"="+value)
		}
		slices.Sort(labels)
		list = append(list, fmt.Sprintf("%s (%s in %s)", r.Name, strings.Join(labels, ","), r.Namespace))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

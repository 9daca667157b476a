package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"squall/chaos"
)

// NodeSelector selects nodes as that of a NodeChaos does; all that is given must
// agree.
type NodeSelector struct {
	Nodes               []string          `yaml:"nodes,omitempty" json:"nodes,omitempty"` // "worker/0"
	Roles               []string          `yaml:"roles,omitempty" json:"roles,omitempty"`
	LabelSelectors      map[string]string `yaml:"labelSelectors,omitempty" json:"labelSelectors,omitempty"`
	ExpressionSelectors []any             `yaml:"expressionSelectors,omitempty" json:"expressionSelectors,omitempty"`
}

// Drain empties nodes, as "kubectl drain" does, and lets them take pods again when
// it ends.
type Drain struct {
	Mode     string        `yaml:"mode"`
	Value    string        `yaml:"value,omitempty"`
	Selector *NodeSelector `yaml:"selector,omitempty"`
	// Grace is how long each pod has to end; nil leaves it to the pod.
	Grace *time.Duration `yaml:"grace,omitempty"`
	// Timeout is how long evictions are tried; zero is as long as the drain lasts.
	Timeout time.Duration `yaml:"timeout,omitempty"`
}

// picked is which nodes a step takes, as the fault library reads it.
func picked(what, mode, value string, selector *NodeSelector, victims *Victims) (*chaos.Object, error) {
	if selector == nil && victims != nil { // which are narrowed from all
		selector = &NodeSelector{}
	}
	raw, err := json.Marshal(struct {
		Mode     string        `json:"mode,omitempty"`
		Value    string        `json:"value,omitempty"`
		Selector *NodeSelector `json:"selector,omitempty"`
	}{mode, value, selector})
	if err != nil {
		return nil, fmt.Errorf("write the selector as JSON: %w", err)
	}
	return chaos.DecodeNodes(what, raw)
}

// Aim is what says which pods or nodes an entry hits, and how many; nil for a step
// that hits nobody.
func (s Step) Aim() (*chaos.Object, error) {
	switch {
	case s.Chaos != nil:
		return s.Chaos, nil
	case s.Drain != nil:
		return picked("drain", s.Drain.Mode, s.Drain.Value, s.Drain.Selector, s.Victims)
	}
	return nil, nil
}

// Lasts tells whether an entry has a length when it is switched on: until when, if
// it does not say, is the end of the phase fault.
func (s Step) Lasts() bool { return s.Drain != nil }

// drain checks a step that drains nodes.
func (c *checker) drain(at string, step Step) {
	c.stepLength(at, step)
	here, d := at+".drain", *step.Drain
	switch {
	case !c.d.has(here + ".timeout"):
	case c.sound(here+".timeout") && d.Timeout == 0:
		c.report(here+".timeout", "evictions are tried for longer than 0s")
	case c.sound(here+".timeout") && c.sound(at+".for") && step.For > 0 && d.Timeout > step.For:
		c.report(here+".timeout", fmt.Sprintf("is longer than the drain itself, which ends after %s", step.For))
	}
	if grace := d.Grace; grace != nil && c.sound(here+".grace") && *grace%time.Second != 0 {
		c.report(here+".grace", "is counted in whole seconds by Kubernetes")
	}
	c.picks(here, step)
}

// stepLength checks the length of a step that has one.
func (c *checker) stepLength(at string, step Step) {
	if !c.d.has(at+".for") || !c.sound(at+".for") {
		return
	}
	begins := c.s.Spec.Phases.Latest(step)
	switch {
	case step.For == 0:
		c.report(at+".for", "it lasts longer than 0s")
	case begins+step.For > c.s.Spec.Phases.Total() && c.sound("spec.phases"):
		c.report(at+".for", "it would last beyond the end of recovery")
	}
}

// picks checks which nodes a step takes.
func (c *checker) picks(here string, step Step) {
	object, err := step.Aim()
	var invalid *chaos.InvalidError
	switch {
	case errors.As(err, &invalid):
		for _, f := range invalid.Findings {
			path := strings.TrimSuffix(here+"."+f.Path, ".")
			if !c.d.has(path) || c.sound(path) {
				c.d.say(c.d.faultNode(path, c.node(here)), Finding{Path: path, Problem: oneLine(errors.New(f.Message))})
			}
		}
	case err != nil:
		c.report(here, oneLine(err))
	default:
		c.hitsNodes(here+".selector", object)
	}
}

// hitsNodes checks that the cluster has the nodes that a fault or a step is aimed at.
func (c *checker) hitsNodes(path string, aim *chaos.Object) {
	if !c.sound("spec.cluster.workers") || !c.sound("spec.cluster.controlPlanes") {
		return
	}
	var all []string
	hit := false
	for _, node := range c.s.Spec.Cluster.FaultNodes() {
		all = append(all, node.String())
		hit = hit || aim.MatchNodeTemplate(node)
	}
	for _, name := range aim.NamedNodes() {
		if !slices.Contains(all, name) {
			hit = true // said more exactly here
			c.report(path+".nodes["+name+"]", "the cluster has no such node that a fault may hit", all...)
		}
	}
	if !hit {
		c.report(path, "selects no node of the cluster that a fault may hit", all...)
	}
}

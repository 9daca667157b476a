package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"squall/workloads"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Scale sets how many pods the controller of a workload's role runs.
type Scale struct {
	Workload string `yaml:"workload"` // a role, as in workload("catalog")
	Replicas int    `yaml:"replicas"`
}

// Change is a JSON merge patch on one object that the workloads rendered.
type Change struct {
	Target workloads.PatchTarget `yaml:"target"`
	Patch  map[string]any        `yaml:"patch"`
}

// verbs are what a timeline entry can do, each the name of its field.
func verbs() []string {
	return []string{"chaos", "scale", "patch", "delete", "rollout", "rollback", "drain", "apply"}
}

// Action is what a step does, for people: "scale catalog to 5". It is empty for
// a fault, which describes itself.
func (s Step) Action() string {
	switch {
	case s.Scale != nil:
		return fmt.Sprintf("scale %s to %d", s.Scale.Workload, s.Scale.Replicas)
	case s.Patch != nil:
		return "patch " + objectName(s.Patch.Target)
	case s.Delete != nil:
		return "delete " + objectName(*s.Delete)
	case s.Rollout != nil:
		return s.Rollout.action()
	case s.Rollback != nil:
		return "roll back " + s.Rollback.Workload
	case s.Drain != nil:
		return "drain"
	case s.Apply != nil:
		return s.Apply.action()
	}
	return ""
}

// objectName names an object as messages do.
func objectName(t workloads.PatchTarget) string { return t.Kind + "/" + t.Name }

// verb checks that an entry has one verb, and that verb.
func (c *checker) verb(at string, step Step) {
	var written []string
	for _, verb := range verbs() {
		if c.d.has(at + "." + verb) {
			written = append(written, verb)
		}
	}
	switch {
	case len(written) > 1:
		c.report(at, "does "+strings.Join(written, " and ")+"; every entry has exactly one verb, so write an entry for each")
		return
	case len(written) == 0 && c.sound(at):
		c.report(at, "does nothing; every entry has exactly one verb", verbs()...)
	}
	if len(written) == 0 || !c.sound(at+"."+written[0]) {
		return
	}
	if step.Chaos != nil {
		c.fault(at, step)
		return
	}
	if c.d.has(at+".for") && !step.Lasts() {
		c.report(at+".for", "a step is instant: it has no length; remove it")
	}
	c.step(at, step)
}

// step checks what a step is to act on against what the workloads render, as far
// as all of them could be rendered.
func (c *checker) step(at string, step Step) {
	known := step.On() && c.whole
	switch {
	case step.Scale != nil:
		c.scale(at+".scale", *step.Scale, known)
	case step.Patch != nil:
		object := c.rendersTarget(at+".patch.target", step.Patch.Target, c.objects(step), known)
		if !c.need(at+".patch.patch", "{spec: {template: {metadata: {annotations: {version: '2'}}}}}") || object == nil {
			return
		}
		if err := workloads.CheckPatch(object, step.Patch.Patch); err != nil {
			c.report(at+".patch.patch", oneLine(err))
		}
	case step.Delete != nil:
		object := c.rendersTarget(at+".delete", *step.Delete, c.objects(step), known)
		if object != nil && object.GetKind() == "Namespace" {
			c.report(at+".delete.kind", "the namespace holds all that is tested and all that is watched; delete what is in it")
		}
	case step.Rollout != nil:
		c.rollout(at+".rollout", *step.Rollout, c.objects(step), known)
	case step.Rollback != nil:
		c.controller(at+".rollback", step.Rollback.Workload, c.objects(step), known)
	case step.Drain != nil:
		c.drain(at, step)
	case step.Apply != nil:
		c.apply(at+".apply", *step.Apply)
	}
}

// objects are those that the workloads render, and those that steps before a step
// apply.
func (c *checker) objects(step Step) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, r := range c.rendered {
		all = append(all, r.Objects...)
	}
	return append(all, c.s.Applied(step.At)...)
}

// scale checks a step that scales.
func (c *checker) scale(at string, s Scale, known bool) {
	if c.need(at+".replicas", "5") && (s.Replicas < 0 || s.Replicas > maxPods) {
		c.report(at+".replicas", fmt.Sprintf("a role has from 0 to %d pods", maxPods))
	}
	if !c.need(at+".workload", "catalog") || !known {
		return
	}
	var names []string
	for _, role := range c.roles() {
		if role.Controller != "" {
			names = append(names, role.Name)
		}
	}
	if !slices.Contains(names, s.Workload) {
		c.report(at+".workload", "is no role of the workloads that a controller looks after", names...)
	}
}

// rendersTarget finds the object that a step acts on among those that there are;
// nil when there is none, or when that is not known.
func (c *checker) rendersTarget(at string, target workloads.PatchTarget, objects []*unstructured.Unstructured, known bool) *unstructured.Unstructured {
	kind, name := c.need(at+".kind", "Deployment"), c.need(at+".name", "catalog")
	if !kind || !name || !known {
		return nil
	}
	var names []string
	for _, object := range objects {
		if object.GetKind() == target.Kind && object.GetName() == target.Name {
			return object
		}
		names = append(names, object.GetKind()+"/"+object.GetName())
	}
	slices.Sort(names)
	c.report(at, "the workloads render no "+objectName(target), slices.Compact(names)...)
	return nil
}

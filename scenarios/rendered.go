package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"squall/workloads"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// maxPods bounds the pods of one role, also of a patched one; it is more than
// the largest cluster can hold.
const maxPods = 500

// Render renders the workloads that are switched on, in the order of the file.
// Of a scenario that Parse returned, it does not fail; a Checker may call it too,
// early, and gets an error for what is not sound yet.
func (s *Scenario) Render() ([]workloads.Rendered, error) {
	var all []workloads.Rendered
	for _, w := range s.Spec.Workloads {
		if !w.On() {
			continue
		}
		if w.Shop == nil {
			return nil, fmt.Errorf("render workload %q: it says nothing to run", w.Name)
		}
		if wrong := w.Shop.Validate(); len(wrong) > 0 {
			return nil, fmt.Errorf("render workload %q: %s", w.Name, wrong[0])
		}
		rendered, err := workloads.Render(w.Name, Namespace, w.Shop, w.Patches)
		if err != nil {
			return nil, err
		}
		all = append(all, rendered)
	}
	return all, nil
}

// render checks what a workload says about the shop and, when that is sound and
// the workload is switched on, renders it.
func (c *checker) render(at string, w Workload) {
	for _, f := range w.Shop.Validate() {
		path := at + ".shop." + f.Path
		if c.d.wrong[at+".shop"] || !c.sound(path) {
			continue // it could not be read, so this is a consequence
		}
		c.d.say(c.node(path), Finding{Path: path, Value: f.Value, Problem: f.Problem, Allowed: f.Allowed})
	}
	if !w.On() {
		return
	}
	if !c.sound(at) {
		c.whole = false
		return
	}
	rendered, err := workloads.Render(w.Name, Namespace, w.Shop, w.Patches)
	if err != nil {
		c.whole = false
		if len(w.Patches) > 0 {
			at += ".patches"
		}
		c.report(at, oneLine(err))
		return
	}
	for _, role := range rendered.Roles {
		if role.Desired < 0 || role.Desired > maxPods {
			c.whole = false
			c.report(at, fmt.Sprintf("renders role %q with %d pods; a role has from 0 to %d", role.Name, role.Desired, maxPods))
		}
	}
	c.rendered = append(c.rendered, rendered)
}

// oneLine is an error's text without line breaks, so that findings stay one a
// line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// rolesOnce reports objects that two workloads render alike: in one namespace,
// one would overwrite the other.
func (c *checker) rolesOnce() {
	owner := map[string]string{}
	for _, r := range c.rendered {
		for _, object := range r.Objects {
			what := object.GetKind() + "/" + object.GetName()
			if object.GetKind() == "Namespace" {
				continue // shared on purpose
			}
			if first, taken := owner[what]; taken {
				c.report(c.d.entry("spec.workloads", r.Name, 0), fmt.Sprintf(
					"renders %s, as workload %q does; one would overwrite the other", what, first))
				break
			}
			owner[what] = r.Name
		}
	}
}

// roles are the roles of all rendered workloads.
func (c *checker) roles() []workloads.Role {
	var roles []workloads.Role
	for _, r := range c.rendered {
		roles = append(roles, r.Roles...)
	}
	return roles
}

// port checks that a load's Service and port are rendered. It says nothing
// while a workload could not be rendered, which may be the one meant.
func (c *checker) port(at string, t Target) {
	if !c.whole {
		return
	}
	var services []string
	for _, r := range c.rendered {
		for _, object := range r.Objects {
			if object.GetKind() != "Service" {
				continue
			}
			services = append(services, object.GetName())
			if object.GetName() != t.Service {
				continue
			}
			if ports := portNames(object); !slices.Contains(ports, t.Port) {
				c.report(at+".port", "is no port of the Service "+quote(t.Service), ports...)
			}
			return
		}
	}
	c.report(at+".service", "no workload that is switched on renders a Service of this name", services...)
}

// portNames are the names of a Service's ports.
func portNames(service *unstructured.Unstructured) []string {
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports") // what is not a list has no names
	var names []string
	for _, port := range ports {
		if fields, ok := port.(map[string]any); ok {
			if name, ok := fields["name"].(string); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

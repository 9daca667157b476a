package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"squall/workloads"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Rollout has a controller bring out a new revision of its pods: all of them
// anew, or with another image or environment.
type Rollout struct {
	Workload string `yaml:"workload"` // a role, as in workload("catalog")
	// Restart brings out the same pods again, as "kubectl rollout restart" does.
	Restart bool `yaml:"restart,omitempty"`
	// Container is the one that Image and Env change; empty means the only one.
	Container string            `yaml:"container,omitempty"`
	Image     string            `yaml:"image,omitempty"`
	Env       map[string]string `yaml:"env,omitempty"` // set, or added
}

// Rollback has a controller go back to the pods that it had before the last
// rollout, as "kubectl rollout undo" does.
type Rollback struct {
	Workload string `yaml:"workload"` // a role, as in workload("catalog")
}

// restartedAt is the annotation of a pod template by which "kubectl rollout
// restart" makes a revision that differs in nothing else.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// controllerKinds are the kinds that bring out revisions of their pods.
func controllerKinds() []string { return []string{"Deployment", "StatefulSet"} }

// Controller is the object that brings out revisions of a role's pods; nil when
// there is none of that name.
func Controller(objects []*unstructured.Unstructured, name string) *unstructured.Unstructured {
	for _, kind := range controllerKinds() {
		for _, object := range objects {
			if object.GetKind() == kind && object.GetName() == name {
				return object
			}
		}
	}
	return nil
}

// action is what a rollout does, for people.
func (r Rollout) action() string {
	if r.Restart {
		return "restart " + r.Workload
	}
	var with []string
	if r.Image != "" {
		with = append(with, "image "+r.Image)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		with = append(with, name+"="+r.Env[name])
	}
	return "roll out " + r.Workload + " with " + strings.Join(with, ", ")
}

// Change is the JSON merge patch that makes the new revision of a controller.
// Lists are replaced whole by such a patch, so it holds all containers of the
// object as it is now.
func (r Rollout) Change(object *unstructured.Unstructured, now time.Time) (map[string]any, error) {
	if r.Restart {
		return inTemplate("metadata", map[string]any{"annotations": map[string]any{restartedAt: now.UTC().Format(time.RFC3339Nano)}}), nil
	}
	containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return nil, fmt.Errorf("read the containers of %s/%s: %w", object.GetKind(), object.GetName(), err)
	}
	for _, one := range containers {
		container, ok := one.(map[string]any)
		if !ok || r.Container != "" && container["name"] != r.Container {
			continue
		}
		if r.Image != "" {
			container["image"] = r.Image
		}
		if len(r.Env) > 0 {
			container["env"] = withEnv(container["env"], r.Env)
		}
		return inTemplate("spec", map[string]any{"containers": containers}), nil
	}
	return nil, errors.New("there is no container " + quote(r.Container))
}

// inTemplate is a patch on a part of a controller's pod template.
func inTemplate(part string, change map[string]any) map[string]any {
	return map[string]any{"spec": map[string]any{"template": map[string]any{part: change}}}
}

// withEnv is a list of variables with some set, or added at its end by name. A
// variable that had its value from elsewhere has it from here then.
func withEnv(list any, set map[string]string) []any {
	old, _ := list.([]any) // absent, or not valid anyway
	left := maps.Clone(set)
	var all []any
	for _, one := range old {
		if variable, ok := one.(map[string]any); ok {
			name, _ := variable["name"].(string)
			if value, ours := left[name]; ours {
				one = map[string]any{"name": name, "value": value}
				delete(left, name)
			}
		}
		all = append(all, one)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		all = append(all, map[string]any{"name": name, "value": left[name]})
	}
	return all
}

// rollout checks a step that rolls out.
func (c *checker) rollout(at string, r Rollout, objects []*unstructured.Unstructured, known bool) {
	changes := r.Image != "" || len(r.Env) > 0 || c.d.has(at+".image") || c.d.has(at+".env")
	switch {
	case r.Restart && (changes || r.Container != ""):
		c.report(at+".restart", "a restart changes nothing else; write a rollout of its own for the image or the environment")
	case !r.Restart && !changes && c.sound(at):
		c.report(at, "does not say what to roll out", "restart: true", "image", "env")
	case c.d.has(at+".image") && r.Image == "" && c.sound(at+".image"):
		c.report(at+".image", "is empty; write for example docker.io/library/nginx:1.29")
	case c.d.has(at+".env") && len(r.Env) == 0 && c.sound(at+".env"):
		c.report(at+".env", "is empty; write for example {VERSION: v2}")
	}
	object := c.controller(at, r.Workload, objects, known)
	if object == nil || r.Restart || !changes || !c.sound(at) {
		return
	}
	names := containerNames(object)
	switch {
	case r.Container == "" && len(names) > 1:
		c.report(at+".container", "is missing, and there are several", names...)
		return
	case r.Container != "" && !slices.Contains(names, r.Container):
		c.report(at+".container", "is no container of "+object.GetKind()+"/"+object.GetName(), names...)
		return
	}
	change, err := r.Change(object, time.Time{})
	if err == nil {
		err = workloads.CheckPatch(object, change)
	}
	if err != nil {
		c.report(at, oneLine(err))
	}
}

// controller finds what brings out the pods of a role; nil when there is none, or
// when that is not known.
func (c *checker) controller(at, workload string, objects []*unstructured.Unstructured, known bool) *unstructured.Unstructured {
	if !c.need(at+".workload", "catalog") || !known {
		return nil
	}
	if object := Controller(objects, workload); object != nil {
		return object
	}
	var names []string
	for _, object := range objects {
		if slices.Contains(controllerKinds(), object.GetKind()) {
			names = append(names, object.GetName())
		}
	}
	slices.Sort(names)
	c.report(at+".workload", "is no role of the workloads that a controller looks after", names...)
	return nil
}

// containerNames are the containers of a controller's pods.
func containerNames(object *unstructured.Unstructured) (names []string) {
	containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers") // what is not a list has no names
	for _, one := range containers {
		if container, ok := one.(map[string]any); ok {
			if name, ok := container["name"].(string); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

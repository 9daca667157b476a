package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"squall/workloads"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// maxManifests bounds the objects of one step: more are a workload.
const maxManifests = 20

// Apply brings objects into the scenario's namespace, by server-side apply.
type Apply struct {
	Manifests []map[string]any `yaml:"manifests"`
}

// Objects are the manifests as objects of the scenario's namespace.
func (a Apply) Objects() ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for i, manifest := range a.Manifests {
		object, err := toObject(manifest)
		if err != nil {
			return nil, fmt.Errorf("manifest %d: %w", i+1, err)
		}
		all = append(all, object)
	}
	return all, nil
}

// toObject is a manifest as an object.
func toObject(manifest map[string]any) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(manifest)
	if err != nil {
		return nil, fmt.Errorf("cannot be said in JSON: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("is no Kubernetes object: %w", err)
	}
	object.SetNamespace(Namespace)
	return object, nil
}

// action is what is applied, for people.
func (a Apply) action() string {
	var names []string
	objects, err := a.Objects()
	if err != nil {
		return "apply"
	}
	for _, object := range objects {
		names = append(names, object.GetKind()+"/"+object.GetName())
	}
	return "apply " + strings.Join(names, ", ")
}

// Applied are the objects that the steps of a timeline apply before a moment; those
// of which it is not known when they come are among them.
func (s *Scenario) Applied(before Moment) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	until, timed := s.Spec.Phases.Offset(before)
	for _, step := range s.Spec.Timeline {
		if !step.On() || step.Apply == nil {
			continue
		}
		if at, known := s.Spec.Phases.Offset(step.At); known && timed && at >= until {
			continue
		}
		objects, err := step.Apply.Objects()
		if err == nil { // else said where it is written
			all = append(all, objects...)
		}
	}
	return all
}

// apply checks what a step applies.
func (c *checker) apply(at string, a Apply) {
	here := at + ".manifests"
	if !c.need(here, "[{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: catalog}, spec: {…}}]") {
		return
	}
	switch {
	case len(a.Manifests) == 0:
		c.report(here, "is empty, so nothing would be applied")
	case len(a.Manifests) > maxManifests:
		c.report(here, fmt.Sprintf("holds %d objects; at most %d are applied at once", len(a.Manifests), maxManifests))
	}
	var seen []string
	for i, manifest := range a.Manifests {
		path := entryPath(here, c.d.places[here].value.Content[i], i)
		name := c.manifest(path, manifest)
		if name != "" && slices.Contains(seen, name) {
			c.report(path, name+" stands twice")
		}
		seen = append(seen, name)
	}
}

// manifest checks one object; it returns its kind and name when it has both.
func (c *checker) manifest(path string, manifest map[string]any) string {
	metadata, _ := manifest["metadata"].(map[string]any)
	version, _ := manifest["apiVersion"].(string)
	kind, _ := manifest["kind"].(string)
	name, _ := metadata["name"].(string)
	versioned, kinded := c.need(path+".apiVersion", "policy/v1"), c.need(path+".kind", "PodDisruptionBudget")
	if named := c.need(path+".metadata.name", "catalog"); !versioned || !kinded || !named {
		return ""
	}
	if !slices.Contains(workloads.Applicable(), version+" "+kind) {
		c.report(path+".kind", "a step applies no "+strings.TrimSpace(version+" "+kind), workloads.Applicable()...)
		return ""
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		c.report(path+".metadata.name", "cannot name a Kubernetes object: "+strings.Join(wrong, "; "))
		return ""
	}
	if namespace, written := metadata["namespace"]; written && namespace != Namespace {
		c.report(path+".metadata.namespace", "objects are applied in the scenario's namespace; leave it out", Namespace)
	}
	if _, written := manifest["status"]; written {
		c.report(path+".status", "only the cluster may say; remove it")
	}
	object, err := toObject(manifest)
	if err == nil {
		err = workloads.CheckObject(object)
	}
	if err != nil {
		c.report(path, oneLine(err))
	}
	return kind + "/" + name
}

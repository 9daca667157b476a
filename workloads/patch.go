package workloads

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// applyPatches changes the objects in place, by every patch that is enabled. It
// reports all patches that are wrong, not just the first.
func applyPatches(objects []*unstructured.Unstructured, patches []Patch) error {
	var problems []error
	for _, p := range patches {
		if p.Enabled != nil && !*p.Enabled {
			continue
		}
		if err := applyPatch(objects, p); err != nil {
			problems = append(problems, fmt.Errorf("patch %q: %w", p.Name, err))
		}
	}
	return errors.Join(problems...)
}

// applyPatch changes the one object that the patch names.
func applyPatch(objects []*unstructured.Unstructured, p Patch) error {
	var target *unstructured.Unstructured
	names := make([]string, 0, len(objects))
	for _, o := range objects {
		names = append(names, o.GetKind()+"/"+o.GetName())
		if o.GetKind() == p.Target.Kind && o.GetName() == p.Target.Name {
			target = o
		}
	}
	if target == nil {
		return fmt.Errorf("there is no %s/%s; the objects are %s", p.Target.Kind, p.Target.Name, strings.Join(names, ", "))
	}
	patched, err := merge(target, p.Patch)
	if err != nil {
		return err
	}
	same := patched.GroupVersionKind() == target.GroupVersionKind() &&
		patched.GetName() == target.GetName() && patched.GetNamespace() == target.GetNamespace()
	if !same {
		return errors.New("it may not change apiVersion, kind, name or namespace of its target")
	}
	if err := checkFields(patched); err != nil {
		return fmt.Errorf("what it makes of %s/%s is not valid: %w", p.Target.Kind, p.Target.Name, err)
	}
	target.Object = patched.Object
	return nil
}

// CheckPatch tells whether a JSON merge patch fits an object: that it leaves its
// identity alone, and that what it makes is valid. The object stays as it is.
func CheckPatch(object *unstructured.Unstructured, patch map[string]any) error {
	target := PatchTarget{Kind: object.GetKind(), Name: object.GetName()}
	return applyPatch([]*unstructured.Unstructured{object.DeepCopy()}, Patch{Target: target, Patch: patch})
}

// checkFields finds fields that the object's kind does not have and values of
// the wrong type, which would otherwise be refused only when a cluster is up.
func checkFields(object *unstructured.Unstructured) error {
	typed, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true)
}

// merge lays a JSON merge patch (RFC 7386) over an object: maps are merged,
// null removes, everything else, lists included, is replaced.
func merge(target *unstructured.Unstructured, patch map[string]any) (*unstructured.Unstructured, error) {
	document, err := target.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write its target as JSON: %w", err)
	}
	change, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("write it as JSON: %w", err)
	}
	merged, err := jsonpatch.MergePatch(document, change)
	if err != nil {
		return nil, fmt.Errorf("merge it: %w", err)
	}
	patched := new(unstructured.Unstructured)
	if err := patched.UnmarshalJSON(merged); err != nil {
		return nil, fmt.Errorf("what it makes is not a Kubernetes object: %w", err)
	}
	return patched, nil
}

package workloads

import (
	"fmt"
	"strings"

	"squall/workloads/certificates"
	"squall/workloads/image"
	"squall/workloads/shop"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Render turns a workload of a scenario into what is applied. The spec must be
// valid ([shop.Spec.Validate]). Patches are laid over the rendered objects in
// their order, and the roles are read from the patched objects, so that they
// always describe what will run.
func Render(name, namespace string, spec *shop.Spec, patches []Patch) (Rendered, error) {
	for what, value := range map[string]string{"workload": name, "namespace": namespace} {
		if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
			return Rendered{}, fmt.Errorf("render workload %q: the %s's name %q cannot name Kubernetes objects: %s",
				name, what, value, strings.Join(problems, "; "))
		}
	}
	objects, err := toUnstructured(spec.Objects(name, namespace))
	if err != nil {
		return Rendered{}, fmt.Errorf("render workload %q: %w", name, err)
	}
	if err := applyPatches(objects, patches); err != nil {
		return Rendered{}, fmt.Errorf("render workload %q: %w", name, err)
	}
	for _, object := range objects {
		if err := certificates.Check(object); err != nil {
			return Rendered{}, fmt.Errorf("render workload %q: %w", name, err)
		}
	}
	roles, err := rolesOf(objects)
	if err != nil {
		return Rendered{}, fmt.Errorf("render workload %q: %w", name, err)
	}
	for i := range roles {
		roles[i].Startup = spec.Startup[roles[i].Name]
	}
	return Rendered{Name: name, Objects: objects, Images: []image.Program{shop.Program()}, Roles: roles}, nil
}

// toUnstructured converts typed objects, leaving out what only the cluster may
// say: a status, and the empty timestamps that typed objects carry along.
func toUnstructured(objects []runtime.Object) ([]*unstructured.Unstructured, error) {
	converted := make([]*unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, fmt.Errorf("convert a %T: %w", object, err)
		}
		delete(content, "status")
		unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
		unstructured.RemoveNestedField(content, "spec", "template", "metadata", "creationTimestamp")
		converted = append(converted, &unstructured.Unstructured{Object: content})
	}
	return converted, nil
}

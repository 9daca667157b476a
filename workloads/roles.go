package workloads

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// labelApp is the label whose value names the role of a pod without a
// controller.
const labelApp = "app"

// The kinds that make pods.
const (
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
	kindPod         = "Pod"
)

// rolesOf reads the roles from the objects, in their order: one a Deployment
// or StatefulSet, named like it, and one for all pods without a controller that share the label
// "app", named like its value.
func rolesOf(objects []*unstructured.Unstructured) ([]Role, error) {
	var roles []Role
	bare := map[string]int{} // role → its place in roles
	for _, object := range objects {
		switch object.GetKind() {
		case kindDeployment, kindStatefulSet:
			role, err := controlledRole(object)
			if err != nil {
				return nil, err
			}
			roles = append(roles, role)
		case kindPod:
			app := object.GetLabels()[labelApp]
			if app == "" {
				return nil, fmt.Errorf("Pod %q lacks the label %q, which names its role", object.GetName(), labelApp)
			}
			at, known := bare[app]
			if !known {
				at = len(roles)
				bare[app] = at
				roles = append(roles, bareRole(app, object, objects))
			}
			roles[at].Desired++
			roles[at].Names = append(roles[at].Names, object.GetName())
		}
	}
	return roles, nil
}

// controlledRole is the role of a Deployment's or StatefulSet's pods.
func controlledRole(object *unstructured.Unstructured) (Role, error) {
	kind := object.GetKind()
	var d appsv1.Deployment // what is read of it is the same in both
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &d); err != nil {
		return Role{}, fmt.Errorf("%s %q is not one: %w", kind, object.GetName(), err)
	}
	if d.Spec.Selector == nil || len(d.Spec.Selector.MatchLabels) == 0 {
		return Role{}, fmt.Errorf("%s %q has no spec.selector.matchLabels to find its pods by", kind, d.Name)
	}
	desired := 1 // Kubernetes' own default
	if d.Spec.Replicas != nil {
		desired = int(*d.Spec.Replicas)
	}
	return Role{
		Name: d.Name, Namespace: d.Namespace, Controller: kind, Desired: desired,
		Labels:         d.Spec.Selector.MatchLabels,
		PodLabels:      d.Spec.Template.Labels,
		PodAnnotations: d.Spec.Template.Annotations,
	}, nil
}

// bareRole is the role that a pod without a controller opens. Its labels are
// those by which a Service of the workload finds the pod, or "app" alone.
func bareRole(app string, pod *unstructured.Unstructured, objects []*unstructured.Unstructured) Role {
	role := Role{
		Name: app, Namespace: pod.GetNamespace(),
		Labels:         map[string]string{labelApp: app},
		PodLabels:      pod.GetLabels(),
		PodAnnotations: pod.GetAnnotations(),
	}
	for _, s := range servicesOf(objects) {
		if s.selector.Matches(labels.Set(role.PodLabels)) {
			role.Labels = s.selects
		}
	}
	return role
}

// service is a Service that has a selector.
type service struct {
	name, namespace string
	selects         map[string]string
	selector        labels.Selector
}

// servicesOf reads the Services that choose pods.
func servicesOf(objects []*unstructured.Unstructured) []service {
	var found []service
	for _, object := range objects {
		selects, ok, err := unstructured.NestedStringMap(object.Object, "spec", "selector")
		if object.GetKind() != "Service" || err != nil || !ok || len(selects) == 0 {
			continue
		}
		found = append(found, service{object.GetName(), object.GetNamespace(), selects, labels.SelectorFromSet(selects)})
	}
	return found
}

// podReady says whether a pod is ready and not on its way out.
func podReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

package workloads

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// resource is a kind of object and the API's name for its resource.
type resource struct{ group, version, kind, name string }

// resources are the kinds that workloads render and that steps apply. They are few,
// so they stand here instead of being asked for at every start, and what a scenario
// may hold is known before there is a cluster. All but the first are in a namespace;
// the first two are for workloads alone.
func resources() []resource {
	return []resource{
		{"", "v1", "Namespace", "namespaces"},
		{"", "v1", "Secret", "secrets"},
		{"", "v1", "ConfigMap", "configmaps"},
		{"", "v1", "LimitRange", "limitranges"},
		{"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"},
		{"", "v1", kindPod, "pods"},
		{"", "v1", "ResourceQuota", "resourcequotas"},
		{"", "v1", "Service", "services"},
		{"", "v1", "ServiceAccount", "serviceaccounts"},
		{"apps", "v1", "DaemonSet", "daemonsets"},
		{"apps", "v1", kindDeployment, "deployments"},
		{"apps", "v1", "StatefulSet", "statefulsets"},
		{"autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"},
		{"batch", "v1", "CronJob", "cronjobs"},
		{"batch", "v1", "Job", "jobs"},
		{"networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"},
		{"policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"},
		{"rbac.authorization.k8s.io", "v1", "Role", "roles"},
		{"rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"},
	}
}

// Resource names the API resource of an object that a workload rendered, or that a
// step applies.
func Resource(object *unstructured.Unstructured) (schema.GroupVersionResource, error) {
	kind := object.GroupVersionKind()
	for _, r := range resources() {
		if kind == (schema.GroupVersionKind{Group: r.group, Version: r.version, Kind: r.kind}) {
			return kind.GroupVersion().WithResource(r.name), nil
		}
	}
	return schema.GroupVersionResource{}, fmt.Errorf("no workload renders a %s", kind)
}

// Applicable are the kinds that steps may apply, each with its apiVersion:
// "policy/v1 PodDisruptionBudget". A Secret is none: a scenario stands in every
// record as it was run.
func Applicable() []string {
	var all []string
	for _, r := range resources()[2:] {
		all = append(all, strings.TrimPrefix(r.group+"/"+r.version, "/")+" "+r.kind)
	}
	slices.Sort(all)
	return all
}

// CheckObject finds fields that an object's kind does not have and values of the
// wrong type.
func CheckObject(object *unstructured.Unstructured) error { return checkFields(object) }

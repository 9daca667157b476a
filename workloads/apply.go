package workloads

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// fieldManager owns the fields that Squall applies.
const fieldManager = "squall"

// Apply brings the objects into the cluster by server-side apply, in their
// order. Applying twice is the same as applying once. The error names the
// object that was refused; those before it are in the cluster.
func Apply(ctx context.Context, cfg *rest.Config, r Rendered) error {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1 // a handful of calls; the client's own brake of 5 a second would only delay them
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("apply workload %q: make a client: %w", r.Name, err)
	}
	return apply(ctx, client, r)
}

// apply is [Apply] with a client.
func apply(ctx context.Context, client dynamic.Interface, r Rendered) error {
	for _, object := range r.Objects {
		resource, err := Resource(object)
		if err != nil {
			return fmt.Errorf("apply workload %q: %w", r.Name, err)
		}
		var target dynamic.ResourceInterface = client.Resource(resource)
		if object.GetNamespace() != "" {
			target = client.Resource(resource).Namespace(object.GetNamespace())
		}
		options := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
		if _, err := target.Apply(ctx, object.GetName(), object, options); err != nil {
			return fmt.Errorf("apply workload %q: %s %q: %w", r.Name, object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// Resource names the API resource of an object that a workload rendered. Workloads render few kinds,
// so they stand here instead of being asked for at every start.
func Resource(object *unstructured.Unstructured) (schema.GroupVersionResource, error) {
	kind := object.GroupVersionKind()
	switch kind {
	case schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}:
		return kind.GroupVersion().WithResource("namespaces"), nil
	case schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}:
		return kind.GroupVersion().WithResource("serviceaccounts"), nil
	case schema.GroupVersionKind{Version: "v1", Kind: "Service"}:
		return kind.GroupVersion().WithResource("services"), nil
	case schema.GroupVersionKind{Version: "v1", Kind: kindPod}:
		return kind.GroupVersion().WithResource("pods"), nil
	case schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kindDeployment}:
		return kind.GroupVersion().WithResource("deployments"), nil
	case schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kindStatefulSet}:
		return kind.GroupVersion().WithResource("statefulsets"), nil
	case schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}:
		return kind.GroupVersion().WithResource("horizontalpodautoscalers"), nil
	}
	return schema.GroupVersionResource{}, fmt.Errorf("no workload renders a %s", kind)
}

package addons

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// waitServed waits until a Service has an endpoint that is ready.
func waitServed(ctx context.Context, client *rest.RESTClient, namespace, service string) error {
	w, err := client.Get().AbsPath("/apis/discovery.k8s.io/v1/namespaces", namespace, "endpointslices").
		Param("watch", "true").Param("labelSelector", discoveryv1.LabelServiceName+"="+service).Watch(ctx)
	if err != nil {
		return fmt.Errorf("watching the endpoints of the Service %s/%s: %w", namespace, service, err)
	}
	defer w.Stop()
	seen := "none was declared"
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("watching the endpoints of the Service %s/%s: the API server ended the watch", namespace, service)
			}
			slice, ok := e.Object.(*discoveryv1.EndpointSlice)
			if !ok {
				return fmt.Errorf("watching the endpoints of the Service %s/%s: %w", namespace, service, apierrors.FromObject(e.Object))
			}
			for _, endpoint := range slice.Endpoints {
				if ready := endpoint.Conditions.Ready; ready != nil && *ready {
					return nil
				}
			}
			seen = fmt.Sprintf("%d are declared", len(slice.Endpoints))
		case <-ctx.Done():
			return fmt.Errorf("no endpoint of the Service %s/%s is ready, %s; look at its pods: %w",
				namespace, service, seen, context.Cause(ctx))
		}
	}
}

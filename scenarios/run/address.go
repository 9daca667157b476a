package run

import (
	"cmp"
	"fmt"
	"net"
	"strconv"

	"squall/scenarios"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// address is the URL of a load: the Service's full DNS name, so that no search
// list is gone through, and the number of its named port.
func (c *conductor) address(target scenarios.Target) (string, error) {
	for _, r := range c.rendered {
		for _, object := range r.Objects {
			if object.GetKind() != "Service" || object.GetName() != target.Service {
				continue
			}
			var service corev1.Service
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &service); err != nil {
				return "", fmt.Errorf("read Service %q: %w", target.Service, err)
			}
			for _, port := range service.Spec.Ports {
				if port.Name == target.Port {
					host := service.Name + "." + service.Namespace + ".svc.cluster.local."
					return cmp.Or(target.Scheme, "http") + "://" + net.JoinHostPort(host, strconv.Itoa(int(port.Port))) + target.Path, nil
				}
			}
		}
	}
	return "", fmt.Errorf("no workload has a Service %q with a port %q; validate the scenario", target.Service, target.Port)
}

package workloads

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// snapshot is what the cluster says about a workload's namespaces at one
// moment. Its objects are shared and must not be changed.
type snapshot struct {
	pods        []*corev1.Pod
	deployments []*appsv1.Deployment
	slices      []*discoveryv1.EndpointSlice
}

// podsOf are the pods of a role.
func (s snapshot) podsOf(role Role) []*corev1.Pod {
	selector := labels.SelectorFromSet(role.Labels)
	var found []*corev1.Pod
	for _, pod := range s.pods {
		if pod.Namespace == role.Namespace && selector.Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found
}

// readyEndpoints counts the ready endpoints of a Service, each pod once.
func (s snapshot) readyEndpoints(namespace, name string) int {
	ready := map[string]bool{}
	for _, slice := range s.slices {
		if slice.Namespace != namespace || slice.Labels[discoveryv1.LabelServiceName] != name {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
				continue
			}
			for _, address := range endpoint.Addresses {
				ready[address] = true
			}
		}
	}
	return len(ready)
}

// missing says, a part each, what a workload lacks to be ready: pods of every
// role, and as many ready endpoints of every Service that chooses them.
func (s snapshot) missing(r Rendered) []string {
	var lacks []string
	for _, role := range r.Roles {
		ready := 0
		for _, pod := range s.podsOf(role) {
			if podReady(pod) {
				ready++
			}
		}
		if ready < role.Desired {
			lacks = append(lacks, fmt.Sprintf("%s has %d of %d pods ready", role.Name, ready, role.Desired))
		}
	}
	for _, svc := range servicesOf(r.Objects) {
		want := 0
		for _, role := range r.Roles {
			if role.Namespace == svc.namespace && svc.selector.Matches(labels.Set(role.PodLabels)) {
				want += role.Desired
			}
		}
		if got := s.readyEndpoints(svc.namespace, svc.name); got < want {
			lacks = append(lacks, fmt.Sprintf("Service %s has %d of %d endpoints ready", svc.name, got, want))
		}
	}
	return lacks
}

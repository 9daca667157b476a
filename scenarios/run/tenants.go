package run

import (
	"context"
	"slices"

	"squall/reports"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// tenants are the pods of all namespaces that a drain would have to move, by where
// they are. They are watched for scenarios that drain, as the recorder else looks
// at the scenario's namespace alone.
type tenants struct {
	on   bool
	pods map[types.UID]tenant
	told map[string][]string // what was recorded last of each node
}

// tenant is such a pod, and its node.
type tenant struct{ name, node string }

// tenantSources are what is watched for them; none when nothing drains.
func (r *recorder) tenantSources(client kubernetes.Interface) []source {
	if !r.tenants.on {
		return nil
	}
	pods := client.CoreV1().Pods(metav1.NamespaceAll)
	return []source{{
		what:  "pods of all namespaces",
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) },
		watch: pods.Watch,
		see:   seeing(r.seeTenant),
		replace: func(list runtime.Object) {
			r.replaceTenants(items[*corev1.Pod](list))
		},
	}}
}

// seeTenant records the pods of a node, if they are others than before.
func (r *recorder) seeTenant(pod *corev1.Pod, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takeTenant(pod, deleted)
	if pod.Spec.NodeName != "" {
		r.recordTenants(pod.Spec.NodeName)
	}
}

// takeTenant keeps or forgets a pod; the caller holds the lock.
func (r *recorder) takeTenant(pod *corev1.Pod, deleted bool) {
	if deleted || pod.Spec.NodeName == "" || !evictable(pod) {
		delete(r.tenants.pods, pod.UID)
		return
	}
	r.tenants.pods[pod.UID] = tenant{pod.Namespace + "/" + pod.Name, pod.Spec.NodeName}
}

// replaceTenants takes a whole list, and records every node that is known.
func (r *recorder) replaceTenants(pods []*corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.tenants.pods)
	nodes := map[string]bool{}
	for name := range r.nodes {
		nodes[name] = true
	}
	for name := range r.tenants.told {
		nodes[name] = true
	}
	for _, pod := range pods {
		r.takeTenant(pod, false)
		if pod.Spec.NodeName != "" {
			nodes[pod.Spec.NodeName] = true
		}
	}
	for name := range nodes {
		r.recordTenants(name)
	}
}

// recordTenants records the pods of a node when they are new; the caller holds the
// lock.
func (r *recorder) recordTenants(node string) {
	names := []string{}
	for _, one := range r.tenants.pods {
		if one.node == node {
			names = append(names, one.name)
		}
	}
	slices.Sort(names)
	if had, known := r.tenants.told[node]; known && slices.Equal(had, names) {
		return
	}
	r.tenants.told[node] = names
	r.add(reports.Entry{At: r.clock.now(), Kind: reports.KindTenants, Tenants: &reports.TenantsEntry{Node: node, Evictable: names}})
}

// nodeNow implements [nodeWatch].
func (r *recorder) nodeNow(name string) (reports.NodeEntry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry, known := r.nodes[name]
	return entry, known
}

package policy

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// podKey names a pod by namespace and name.
type podKey = types.NamespacedName

// pod is what rules need to know of a pod that has a network of its own.
type pod struct {
	namespace       string
	labels          labels.Set
	namespaceLabels labels.Set // nil while the namespace is not known
	local           bool       // on this node
	addresses       []netip.Addr
	ports           []corev1.ContainerPort
}

// podsOf are the pods that have an address of their own, in a fixed order. Pods
// on the node's network are the node, to policies; pods that have ended hold no
// address, even while their status still names one.
func podsOf(in state) []pod {
	namespaces := map[string]labels.Set{}
	for _, n := range in.namespaces {
		namespaces[n.Name] = labels.Merge(n.Labels, nil) // never nil
	}
	var pods []pod
	for _, p := range sortedPods(in.pods) {
		if p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		of := pod{
			namespace: p.Namespace, labels: p.Labels, namespaceLabels: namespaces[p.Namespace],
			local: p.Spec.NodeName == in.node, addresses: addressesOf(p), ports: portsOf(p),
		}
		if of.local {
			of.addresses = in.settle(podKey{Namespace: p.Namespace, Name: p.Name}, of.addresses)
		}
		slices.SortFunc(of.addresses, netip.Addr.Compare)
		of.addresses = slices.Compact(of.addresses)
		if len(of.addresses) > 0 {
			pods = append(pods, of)
		}
	}
	return pods
}

// settle corrects the addresses that the API knows for a pod of this node by
// those that the node has given: the API hears of both ends of a pod late.
func (in state) settle(of podKey, known []netip.Addr) []netip.Addr {
	addresses := slices.DeleteFunc(known, func(a netip.Addr) bool {
		holder, given := in.given[a]
		return given && holder != of
	})
	for a, holder := range in.given {
		if holder == of {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

func sortedPods(pods []*corev1.Pod) []*corev1.Pod {
	return slices.SortedFunc(slices.Values(pods), func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func addressesOf(p *corev1.Pod) []netip.Addr {
	texts := []string{p.Status.PodIP}
	for _, ip := range p.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	var addresses []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			addresses = append(addresses, a.Unmap())
		}
	}
	return addresses
}

// portsOf are the ports that a name can stand for: those of the containers, then
// those of sidecars, as FindPort takes them (k8s.io/endpointslice/utils.go of
// Kubernetes 1.36.3) for the target port of a Service.
func portsOf(p *corev1.Pod) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for _, c := range p.Spec.Containers {
		ports = append(ports, c.Ports...)
	}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			ports = append(ports, c.Ports...)
		}
	}
	return ports
}

// namedPort is the number that a name stands for on a pod; the first one that
// fits counts.
func (p pod) namedPort(name string, protocol corev1.Protocol) (int32, bool) {
	for _, port := range p.ports {
		if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol && validPort(port.ContainerPort) {
			return port.ContainerPort, true
		}
	}
	return 0, false
}

// has tells whether a pod has an address of a family.
func (p pod) has(f family) bool {
	return slices.ContainsFunc(p.addresses, func(a netip.Addr) bool { return familyOf(a) == f })
}

func validPort(port int32) bool {
	return port > 0 && port <= 65535
}

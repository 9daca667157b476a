package policy

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// end is one end of a connection: a pod with a network of its own, or an
// address that belongs to none, which may be a node's.
type end struct {
	address netip.Addr
	pod     *corev1.Pod // nil for others
	node    string      // where it is; empty outside the cluster
}

// naive answers from the specification alone, object by object, whether a
// connection may be made.
type naive struct {
	policies   []*networkingv1.NetworkPolicy
	namespaces map[string]*corev1.Namespace
}

func (n naive) allowed(from, to end, proto corev1.Protocol, port int32) bool {
	if from.pod != nil && from.pod == to.pod {
		return true
	}
	return n.egress(from, to, proto, port) && n.ingress(from, to, proto, port)
}

func (n naive) egress(from, to end, proto corev1.Protocol, port int32) bool {
	if from.pod == nil {
		return true
	}
	isolated := false
	for _, p := range n.policies {
		if !n.about(p, from.pod, networkingv1.PolicyTypeEgress) {
			continue
		}
		isolated = true
		for _, r := range p.Spec.Egress {
			if n.peerMatches(p, r.To, to) && portMatches(r.Ports, to, proto, port) {
				return true
			}
		}
	}
	return !isolated
}

func (n naive) ingress(from, to end, proto corev1.Protocol, port int32) bool {
	if to.pod == nil || from.pod == nil && from.node == to.node {
		return true
	}
	isolated := false
	for _, p := range n.policies {
		if !n.about(p, to.pod, networkingv1.PolicyTypeIngress) {
			continue
		}
		isolated = true
		for _, r := range p.Spec.Ingress {
			if n.peerMatches(p, r.From, from) && portMatches(r.Ports, to, proto, port) {
				return true
			}
		}
	}
	return !isolated
}

func (n naive) about(p *networkingv1.NetworkPolicy, pod *corev1.Pod, want networkingv1.PolicyType) bool {
	if p.Namespace != pod.Namespace || !selects(&p.Spec.PodSelector, pod.Labels) {
		return false
	}
	if len(p.Spec.PolicyTypes) == 0 {
		return want == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
	}
	for _, t := range p.Spec.PolicyTypes {
		if t == want {
			return true
		}
	}
	return false
}

func (n naive) peerMatches(p *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, other end) bool {
	if len(peers) == 0 {
		return true
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if inBlock(peer.IPBlock, other.address) {
				return true
			}
			continue
		}
		if other.pod == nil || peer.PodSelector == nil && peer.NamespaceSelector == nil {
			continue
		}
		namespace := other.pod.Namespace == p.Namespace
		if peer.NamespaceSelector != nil {
			namespace = selects(peer.NamespaceSelector, n.namespaces[other.pod.Namespace].Labels)
		}
		if namespace && (peer.PodSelector == nil || selects(peer.PodSelector, other.pod.Labels)) {
			return true
		}
	}
	return false
}

func inBlock(b *networkingv1.IPBlock, a netip.Addr) bool {
	if !netip.MustParsePrefix(b.CIDR).Contains(a) {
		return false
	}
	for _, e := range b.Except {
		if netip.MustParsePrefix(e).Contains(a) {
			return false
		}
	}
	return true
}

func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

func portMatches(ports []networkingv1.NetworkPolicyPort, to end, proto corev1.Protocol, port int32) bool {
	if len(ports) == 0 {
		return true
	}
	for _, p := range ports {
		of := corev1.ProtocolTCP
		if p.Protocol != nil {
			of = *p.Protocol
		}
		if of != proto {
			continue
		}
		switch {
		case p.Port == nil:
			return true
		case p.Port.Type == intstr.String:
			if to.pod != nil && firstNamed(to.pod, p.Port.StrVal, proto) == port {
				return true
			}
		case p.EndPort != nil:
			if port >= p.Port.IntVal && port <= *p.EndPort {
				return true
			}
		case p.Port.IntVal == port:
			return true
		}
	}
	return false
}

func firstNamed(pod *corev1.Pod, name string, proto corev1.Protocol) int32 {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name && p.Protocol == proto {
				return p.ContainerPort
			}
		}
	}
	return -1
}

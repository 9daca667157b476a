package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// world is a small random cluster.
type world struct {
	*rand.Rand
	state
}

func nodes() []string { return []string{"worker-1", "worker-2"} }

func nodeAddress(node int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 210, 0, byte(11 + node)})
}

func randomWorld(seed uint64) world {
	w := world{Rand: rand.New(rand.NewPCG(seed, 1))}
	for i := range 3 {
		w.namespaces = append(w.namespaces, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ns%d", i), Labels: w.labels()}})
	}
	for i := range 3 + w.IntN(8) {
		w.pods = append(w.pods, w.pod(i))
	}
	for i := range w.IntN(6) {
		w.policies = append(w.policies, w.policy(i))
	}
	return w
}

func pick[T any](w world, from ...T) T { return from[w.IntN(len(from))] }

func (w world) chance(of int) bool { return w.IntN(of) == 0 }

func (w world) labels() map[string]string {
	l := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if !w.chance(4) {
			l[key] = pick(w, "a", "b", "c")
		}
	}
	return l
}

func (w world) pod(i int) *corev1.Pod {
	node := w.IntN(2)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: fmt.Sprintf("ns%d", w.IntN(3)), Name: fmt.Sprintf("pod%d", i), Labels: w.labels()}}
	p.Spec.NodeName = nodes()[node]
	p.Status.Phase = pick(w, corev1.PodRunning, corev1.PodRunning, corev1.PodRunning, corev1.PodPending, corev1.PodSucceeded, corev1.PodFailed)
	p.Status.PodIP = fmt.Sprintf("10.244.%d.%d", node+1, i+2)
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	if w.chance(3) {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: fmt.Sprintf("fd00:10:244:%d::%x", node+1, i+2)})
	}
	if w.chance(8) {
		p.Spec.HostNetwork = true
		p.Status.PodIP = nodeAddress(node).String()
		p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	}
	if w.chance(10) {
		p.Status.PodIP, p.Status.PodIPs = "", nil
	}
	c := corev1.Container{}
	for range w.IntN(3) {
		c.Ports = append(c.Ports, corev1.ContainerPort{
			Name: pick(w, "http", "dns"), ContainerPort: w.port(), Protocol: pick(w, protocols()...)})
	}
	p.Spec.Containers = []corev1.Container{c}
	return p
}

func protocols() []corev1.Protocol {
	return []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
}

func (w world) port() int32 { return pick[int32](w, 1, 53, 79, 80, 81, 443, 8080, 65535) }

func (w world) policy(i int) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
		Namespace: fmt.Sprintf("ns%d", w.IntN(3)), Name: fmt.Sprintf("policy%d", i)}}
	p.Spec.PodSelector = *w.selector()
	for range w.IntN(3) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: w.peers(), Ports: w.ports()})
	}
	for range w.IntN(3) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: w.peers(), Ports: w.ports()})
	}
	in, out := networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	p.Spec.PolicyTypes = pick(w, nil, []networkingv1.PolicyType{in}, []networkingv1.PolicyType{out}, []networkingv1.PolicyType{in, out})
	return p
}

func (w world) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if w.chance(3) {
		return s
	}
	if w.chance(2) {
		s.MatchLabels = map[string]string{pick(w, "app", "tier"): pick(w, "a", "b", "c")}
	}
	if w.chance(2) {
		e := metav1.LabelSelectorRequirement{Key: pick(w, "app", "tier"), Operator: pick(w,
			metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = []string{pick(w, "a", "b"), pick(w, "b", "c")}
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

func (w world) peers() []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range w.IntN(4) {
		switch w.IntN(4) {
		case 0:
			peers = append(peers, networkingv1.NetworkPolicyPeer{PodSelector: w.selector()})
		case 1:
			peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: w.selector()})
		case 2:
			peers = append(peers, networkingv1.NetworkPolicyPeer{PodSelector: w.selector(), NamespaceSelector: w.selector()})
		case 3:
			peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: w.block()})
		}
	}
	return peers
}

func (w world) block() *networkingv1.IPBlock {
	b := &networkingv1.IPBlock{CIDR: pick(w, "0.0.0.0/0", "10.0.0.0/8", "10.244.1.0/24", "10.244.2.0/29", "10.210.0.11/32", "192.0.2.0/24", "::/0", "fd00:10:244:1::/64")}
	if !w.chance(3) && netip.MustParsePrefix(b.CIDR).Addr().Is4() {
		b.Except = pick(w, []string{"10.244.1.0/30"}, []string{"10.244.1.2/32", "10.244.2.4/31"}, []string{"10.210.0.0/24", "192.0.2.128/25"}, []string{"255.255.255.255/32"})
	}
	return b
}

func (w world) ports() []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for range w.IntN(4) {
		var p networkingv1.NetworkPolicyPort
		if !w.chance(4) {
			proto := pick(w, protocols()...)
			p.Protocol = &proto
		}
		switch w.IntN(4) {
		case 0:
			name := intstr.FromString(pick(w, "http", "dns", "none"))
			p.Port = &name
		case 1:
			first := intstr.FromInt32(w.port())
			last := min(first.IntVal+w.Int32N(400), 65535)
			p.Port, p.EndPort = &first, &last
		case 2:
			number := intstr.FromInt32(w.port())
			p.Port = &number
		}
		ports = append(ports, p)
	}
	return ports
}

// ends are all that can be at an end of a connection, a family at a time.
func (w world) ends() []end {
	ends := []end{{address: netip.MustParseAddr("192.0.2.200")}, {address: netip.MustParseAddr("10.0.0.1")}, {address: netip.MustParseAddr("2001:db8::1")}}
	for i, n := range nodes() {
		ends = append(ends, end{address: nodeAddress(i), node: n})
	}
	for _, p := range w.pods {
		if p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, ip := range p.Status.PodIPs {
			ends = append(ends, end{netip.MustParseAddr(ip.IP), p, p.Spec.NodeName})
		}
	}
	return ends
}

package policy

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// condition is what a packet must meet. One that holds for a single family
// names it.
type condition struct {
	family string // suffix; empty for any
	text   string // empty for no condition
}

// allow writes the rules of nftables for one rule of a policy: each peer with
// each sort of port.
func (b *builder) allow(p *networkingv1.NetworkPolicy, d direction, r peerRule) []string {
	var rules []string
	ports := b.portConditions(p, r.ports)
	for _, peer := range b.peerConditions(p, d, r.peers) {
		for _, port := range ports {
			if peer.family != "" && port.family != "" && peer.family != port.family {
				continue
			}
			rules = append(rules, strings.Join(strings.Fields(peer.text+" "+port.text+" accept"), " "))
		}
	}
	return rules
}

// peerConditions say whom a rule allows; no peers means everybody.
func (b *builder) peerConditions(p *networkingv1.NetworkPolicy, d direction, peers []networkingv1.NetworkPolicyPeer) []condition {
	if len(peers) == 0 {
		return []condition{{}}
	}
	var conditions []condition
	var blocks []addressRange
	for i, peer := range peers {
		where := fmt.Sprintf("%s/%s: %s peer %d", p.Namespace, p.Name, d.name, i)
		if peer.IPBlock != nil {
			ranges, err := blockRanges(peer.IPBlock.CIDR, peer.IPBlock.Except)
			if err != nil {
				b.warn("%s allows nobody: %v", where, err)
			}
			blocks = append(blocks, ranges...)
			continue
		}
		conditions = append(conditions, b.podConditions(p, d, peer, where)...)
	}
	return append(conditions, b.blockConditions(d, mergeAddresses(blocks))...)
}

// podConditions hold for the pods that a peer selects.
func (b *builder) podConditions(p *networkingv1.NetworkPolicy, d direction, peer networkingv1.NetworkPolicyPeer, where string) []condition {
	if peer.PodSelector == nil && peer.NamespaceSelector == nil {
		b.warn("%s allows nobody: it names neither pods nor namespaces nor addresses", where)
		return nil
	}
	namespaces, err := namespaceSelector(peer)
	if err != nil {
		b.warn("%s allows nobody: its namespaceSelector is not valid: %v", where, err)
		return nil
	}
	pods, err := podSelector(peer)
	if err != nil {
		b.warn("%s allows nobody: its podSelector is not valid: %v", where, err)
		return nil
	}
	scope := "namespace " + p.Namespace
	if namespaces != nil {
		scope = "namespaces [" + namespaces.String() + "]"
	}
	comment := fmt.Sprintf("%s pods [%s]", scope, pods)
	matches := func(of pod) (string, bool) {
		in := of.namespace == p.Namespace
		if namespaces != nil {
			// The labels of a namespace that is not known yet are not empty.
			in = of.namespaceLabels != nil && namespaces.Matches(of.namespaceLabels)
		}
		return "", in && pods.Matches(of.labels)
	}
	id := b.podSet("pods-"+hash(comment), comment, "", matches)
	var conditions []condition
	for _, f := range b.families {
		conditions = append(conditions, condition{f.suffix, fmt.Sprintf("%s %s @%s%s", f.match, d.peer, id, f.suffix)})
	}
	return conditions
}

// podSet makes a set in each family of what a function says of each pod: the
// part of the key that follows its address, if it belongs. Equal selectors
// share their sets.
func (b *builder) podSet(id, comment, keyType string, of func(pod) (key string, ok bool)) string {
	if _, made := b.rules.sets[id+b.families[0].suffix]; made {
		return id
	}
	for _, f := range b.families {
		b.rules.sets[id+f.suffix] = newSet(comment, f.keyType+keyType)
	}
	for _, p := range b.pods {
		key, ok := of(p)
		if !ok {
			continue
		}
		for _, a := range p.addresses {
			b.rules.sets[id+familyOf(a).suffix].elements[a.String()+key] = ""
		}
	}
	return id
}

// blockConditions hold for ranges of addresses.
func (b *builder) blockConditions(d direction, ranges []addressRange) []condition {
	var conditions []condition
	for _, f := range b.families {
		var own []addressRange
		for _, r := range ranges {
			if familyOf(r.first) == f {
				own = append(own, r)
			}
		}
		switch {
		case len(own) == 0:
		case own[0].String() == f.whole:
			conditions = append(conditions, condition{f.suffix, "meta nfproto " + f.nfproto})
		default:
			conditions = append(conditions, condition{f.suffix, fmt.Sprintf("%s %s %s", f.match, d.peer, anyOf(own))})
		}
	}
	return conditions
}

// portConditions say which ports a rule allows; no ports means all of them, and
// protocols without ports too.
func (b *builder) portConditions(p *networkingv1.NetworkPolicy, ports []networkingv1.NetworkPolicyPort) []condition {
	if len(ports) == 0 {
		return []condition{{}}
	}
	var conditions []condition
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		conditions = append(conditions, b.protocolConditions(protocol, ports)...)
	}
	for _, port := range ports {
		if port.Protocol != nil && !knownProtocol(*port.Protocol) {
			b.warn("%s/%s: the protocol %q is none that a policy can allow", p.Namespace, p.Name, *port.Protocol)
		}
	}
	return conditions
}

func knownProtocol(p corev1.Protocol) bool {
	return p == corev1.ProtocolTCP || p == corev1.ProtocolUDP || p == corev1.ProtocolSCTP
}

func (b *builder) protocolConditions(protocol corev1.Protocol, ports []networkingv1.NetworkPolicyPort) []condition {
	name := strings.ToLower(string(protocol))
	var numbers []portRange
	var named []condition
	for _, port := range ports {
		of := corev1.ProtocolTCP
		if port.Protocol != nil {
			of = cmp.Or(*port.Protocol, corev1.ProtocolTCP)
		}
		switch {
		case of != protocol:
		case port.Port == nil:
			return []condition{{text: "meta l4proto " + name}}
		case port.Port.Type == intstr.String:
			named = append(named, b.namedConditions(protocol, port.Port.StrVal)...)
		default:
			r := portRange{port.Port.IntVal, port.Port.IntVal}
			if port.EndPort != nil {
				r.last = *port.EndPort
			}
			if validPort(r.first) && validPort(r.last) && r.first <= r.last {
				numbers = append(numbers, r)
			}
		}
	}
	if len(numbers) == 0 {
		return named
	}
	return append([]condition{{text: fmt.Sprintf("%s dport %s", name, anyOf(mergePorts(numbers)))}}, named...)
}

// namedConditions hold for the pods that have a port of that name, each with its
// own number. The receiving pod's ports count in both directions.
func (b *builder) namedConditions(protocol corev1.Protocol, name string) []condition {
	proto := strings.ToLower(string(protocol))
	comment := fmt.Sprintf("%s port %s", proto, name)
	id := b.podSet("port-"+hash(comment), comment, joined+"inet_service", func(p pod) (string, bool) {
		port, ok := p.namedPort(name, protocol)
		return fmt.Sprint(joined, port), ok
	})
	var conditions []condition
	for _, f := range b.families {
		conditions = append(conditions, condition{f.suffix,
			fmt.Sprintf("meta l4proto %s %s daddr . th dport @%s%s", proto, f.match, id, f.suffix)})
	}
	return conditions
}

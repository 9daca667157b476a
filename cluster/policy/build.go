package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// state is what a ruleset is made from.
type state struct {
	node       string
	policies   []*networkingv1.NetworkPolicy
	pods       []*corev1.Pod
	namespaces []*corev1.Namespace
	// given says which pod of this node has an address, as the node itself knows
	// it; addresses that it does not name are as the API says.
	given map[netip.Addr]podKey
}

// build says what the table is to hold. It is a pure function.
//
// Two verdict maps send a packet by the address of an isolated pod of this node
// to the chain of the policies that select it. That chain tries the chain of
// each policy, which accepts what the policy allows, and then drops. Egress and
// ingress are separate base chains: what one accepts still passes the other.
func build(in state) *ruleset {
	b := &builder{rules: newRuleset(), pods: podsOf(in), selected: map[netip.Addr]map[string][]string{}}
	for _, f := range families() {
		if f == families()[0] || slices.ContainsFunc(b.pods, func(p pod) bool { return p.has(f) }) {
			b.families = append(b.families, f)
		}
	}
	b.baseChains()
	policies := slices.SortedFunc(slices.Values(in.policies), func(x, y *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	for _, p := range policies {
		b.policy(p)
	}
	for _, a := range slices.SortedFunc(maps.Keys(b.selected), netip.Addr.Compare) {
		b.isolate(a)
	}
	b.rules.isolated = b.countIsolated()
	return b.rules
}

type builder struct {
	rules *ruleset
	pods  []pod
	// families are those that rules are written for: IPv6 only where pods have it.
	families []family
	// selected are the chains of the policies that isolate an address of a pod
	// of this node, by direction.
	selected map[netip.Addr]map[string][]string
}

// baseChains are always there and always the same. Their priorities are behind
// kube-proxy's, which translates addresses at dstnat and filters at filter
// (pkg/proxy/nftables/proxier.go of Kubernetes 1.36.3).
func (b *builder) baseChains() {
	const egress, ingress = "filter + 10", "filter + 11"
	b.baseChain("egress-forward", "forward", egress, directions()[0])
	b.baseChain("egress-input", "input", egress, directions()[0])
	b.baseChain("ingress-forward", "forward", ingress, directions()[1])
}

func (b *builder) baseChain(name, hook, priority string, d direction) {
	c := chain{hook: hook, priority: priority, rules: []string{"ct state established,related accept"}}
	if hook == "input" {
		// A pod finds its node by neighbour discovery, which no policy is about.
		c.rules = append(c.rules, "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept")
	}
	for _, f := range families() {
		c.rules = append(c.rules,
			fmt.Sprintf("%s saddr . %s daddr @%s%s accept", f.match, f.match, selfSet, f.suffix),
			fmt.Sprintf("%s %s vmap @%s%s", f.match, d.local, d.name, f.suffix))
	}
	b.rules.chains[name] = c
}

// policy notes which pods of this node a policy isolates, and writes its chains
// if there are any.
func (b *builder) policy(p *networkingv1.NetworkPolicy) {
	name := p.Namespace + "/" + p.Name
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	if err != nil {
		b.warn("%s: the podSelector is not valid, so no pod is isolated: %v", name, err)
		return
	}
	selects, local := false, []netip.Addr(nil)
	for _, pod := range b.pods {
		if pod.namespace != p.Namespace || !selector.Matches(pod.labels) {
			continue
		}
		selects = true
		if pod.local {
			local = append(local, pod.addresses...)
		}
	}
	if !selects {
		b.rules.idle = append(b.rules.idle, name)
	}
	if len(local) == 0 {
		return
	}
	for _, d := range directions() {
		if rules, isolates := rulesOf(p, d); isolates {
			b.isolates(p, d, rules, local)
		}
	}
}

// rulesOf are a policy's rules for a direction, and whether it isolates in that
// direction at all. Without policyTypes a policy is about ingress, and about
// egress when it has egress rules (NetworkPolicySpec in k8s.io/api/networking/v1).
func rulesOf(p *networkingv1.NetworkPolicy, d direction) ([]peerRule, bool) {
	types := p.Spec.PolicyTypes
	var rules []peerRule
	if d.name == "egress" {
		for _, r := range p.Spec.Egress {
			rules = append(rules, peerRule{r.To, r.Ports})
		}
		return rules, slices.Contains(types, networkingv1.PolicyTypeEgress) || len(types) == 0 && len(rules) > 0
	}
	for _, r := range p.Spec.Ingress {
		rules = append(rules, peerRule{r.From, r.Ports})
	}
	return rules, slices.Contains(types, networkingv1.PolicyTypeIngress) || len(types) == 0
}

// peerRule is an ingress or an egress rule.
type peerRule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func (b *builder) isolates(p *networkingv1.NetworkPolicy, d direction, rules []peerRule, local []netip.Addr) {
	name := p.Namespace + "/" + p.Name
	id := fmt.Sprintf("%s-policy-%s-%s", d.name, hash(name), shortName(name))
	c := chain{comment: shortComment(name)}
	for _, r := range rules {
		c.rules = append(c.rules, b.allow(p, d, r)...)
	}
	b.rules.chains[id] = c
	for _, a := range local {
		if b.selected[a] == nil {
			b.selected[a] = map[string][]string{}
		}
		if !slices.Contains(b.selected[a][d.name], id) {
			b.selected[a][d.name] = append(b.selected[a][d.name], id)
		}
	}
}

// isolate sends an address to its policies. Pods that the same policies select
// share a chain.
func (b *builder) isolate(a netip.Addr) {
	f := familyOf(a)
	b.rules.sets[selfSet+f.suffix].elements[a.String()+joined+a.String()] = ""
	for _, d := range directions() {
		policies := b.selected[a][d.name]
		if len(policies) == 0 {
			continue
		}
		id := fmt.Sprintf("%s-pods-%s", d.name, hash(policies...))
		c := chain{comment: fmt.Sprintf("policies: %d", len(policies))}
		for _, p := range policies {
			c.rules = append(c.rules, "jump "+p)
		}
		c.rules = append(c.rules, "drop")
		b.rules.chains[id] = c
		b.rules.sets[d.name+f.suffix].elements[a.String()] = "jump " + id
	}
}

func (b *builder) countIsolated() int {
	count := 0
	for _, p := range b.pods {
		if p.local && slices.ContainsFunc(p.addresses, func(a netip.Addr) bool { return b.selected[a] != nil }) {
			count++
		}
	}
	return count
}

func (b *builder) warn(format string, args ...any) {
	b.rules.warnings = append(b.rules.warnings, fmt.Sprintf(format, args...))
}

// namespaceSelector is a peer's choice of namespaces; nil for the policy's own.
func namespaceSelector(peer networkingv1.NetworkPolicyPeer) (labels.Selector, error) {
	if peer.NamespaceSelector == nil {
		return nil, nil
	}
	return metav1.LabelSelectorAsSelector(peer.NamespaceSelector)
}

// podSelector is a peer's choice of pods; all of them when it names none.
func podSelector(peer networkingv1.NetworkPolicyPeer) (labels.Selector, error) {
	if peer.PodSelector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(peer.PodSelector)
}

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return families()[0]
	}
	return families()[1]
}

// hash makes a short name of long ones. 48 bits keep apart far more names than
// a cluster has policies.
func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}

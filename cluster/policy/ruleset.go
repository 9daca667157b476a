package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// tableName is the nftables table that holds all of it, in the family inet.
// It is ours alone: kube-proxy and the kubelet have tables of their own.
const tableName = "squall-policy"

// ruleset is what the table is to hold. It is a value: equal inputs make equal
// rulesets, so that two of them can be compared and the difference written.
type ruleset struct {
	chains map[string]chain
	sets   map[string]set

	// isolated counts the pods of this node that some policy isolates.
	isolated int
	// idle are the policies that select no pod of the whole cluster.
	idle []string
	// warnings say which parts of policies mean nothing, and so allow nothing.
	warnings []string
}

// chain is a list of rules. A base chain has a hook.
type chain struct {
	comment  string
	hook     string
	priority string
	rules    []string
}

func (c chain) equal(other chain) bool {
	return c.comment == other.comment && c.hook == other.hook && c.priority == other.priority && slices.Equal(c.rules, other.rules)
}

// equal tells whether two rulesets ask for the same table.
func (r *ruleset) equal(other *ruleset) bool {
	return maps.EqualFunc(r.chains, other.chains, chain.equal) && maps.EqualFunc(r.sets, other.sets, set.equal)
}

// set is a set or, with a verdict for each key, a verdict map. All of them hash
// single keys; ranges of addresses and ports stand in the rules, where they
// change with the policies only, not with each pod.
type set struct {
	comment  string
	keyType  string
	verdicts bool
	elements map[string]string // key → verdict, empty in a plain set
}

func (s set) equal(other set) bool {
	return s.keyType == other.keyType && s.verdicts == other.verdicts && maps.Equal(s.elements, other.elements)
}

// joined is what stands between the parts of a concatenated key.
const joined = " . "

func newRuleset() *ruleset {
	r := &ruleset{chains: map[string]chain{}, sets: map[string]set{}}
	for _, f := range families() {
		r.sets[selfSet+f.suffix] = newSet("pods to themselves", f.keyType+joined+f.keyType)
		for _, d := range directions() {
			verdicts := newSet("isolated for "+d.name, f.keyType)
			verdicts.verdicts = true
			r.sets[d.name+f.suffix] = verdicts
		}
	}
	return r
}

func newSet(comment, keyType string) set {
	return set{comment: shortComment(comment), keyType: keyType, elements: map[string]string{}}
}

// sortedKeys are the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

// family is IPv4 or IPv6, as rules name it.
type family struct {
	suffix  string // of the names of its sets
	match   string // what "saddr" and "daddr" follow
	nfproto string
	keyType string
	whole   string // all its addresses, as one range
}

func families() []family {
	return []family{
		{"-4", "ip", "ipv4", "ipv4_addr", "0.0.0.0-255.255.255.255"},
		{"-6", "ip6", "ipv6", "ipv6_addr", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	}
}

// direction is ingress or egress, as rules name its ends.
type direction struct {
	name  string
	local string // the end that the policy isolates
	peer  string // the other end
}

func directions() []direction {
	return []direction{
		{"egress", "saddr", "daddr"},
		{"ingress", "daddr", "saddr"},
	}
}

// selfSet is the set of pairs of a pod's address with itself: a pod that reaches
// itself through a Service is not filtered. nft cannot compare two addresses of
// a packet, so the pairs are written out.
const selfSet = "self"

// shortComment fits a text into a comment of nftables: 128 bytes
// (knftables.CommentLengthMax), with nothing that would end it early.
func shortComment(text string) string {
	const most = 120
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, text)
	return clean[:min(len(clean), most)]
}

// shortName fits the name of an object of the API into the name of a chain,
// which has 256 bytes (knftables.NameLengthMax). A hash beside it keeps it unique.
func shortName(text string) string {
	const most = 160
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '/' {
			return r
		}
		return '_'
	}, text)
	return clean[:min(len(clean), most)]
}

package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/knftables"
)

// TestRulesAgreeWithTheSpecification compares, on random clusters, what the
// rulesets of all nodes do to a connection with what the objects say.
func TestRulesAgreeWithTheSpecification(t *testing.T) {
	allowed, denied := 0, 0
	for seed := range uint64(400) {
		a, d := agree(t, randomWorld(seed))
		allowed, denied = allowed+a, denied+d
	}
	// Random worlds in which nothing is denied, or everything, would prove nothing.
	require.Greater(t, denied, (allowed+denied)/10, "allowed %d", allowed)
	require.Greater(t, allowed, (allowed+denied)/10, "denied %d", denied)
}

func FuzzRulesAgreeWithTheSpecification(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(func(t *testing.T, seed uint64) { agree(t, randomWorld(seed)) })
}

// agree tries connections between all ends of a world.
func agree(t *testing.T, w world) (allowed, denied int) {
	t.Helper()
	rules := map[string]*ruleset{}
	for _, n := range nodes() {
		w.node = n
		rules[n] = build(w.state)
	}
	spec := naive{policies: w.policies, namespaces: map[string]*corev1.Namespace{}}
	for _, n := range w.namespaces {
		spec.namespaces[n.Name] = n
	}
	for _, from := range w.ends() {
		for _, to := range w.ends() {
			if from.address.Is4() != to.address.Is4() {
				continue
			}
			proto, port := pick(w, protocols()...), w.port()
			want := spec.allowed(from, to, proto, port)
			got := crosses(rules, from, to, packet{from.address, to.address, strings.ToLower(string(proto)), port, false})
			if want != got {
				text, _ := json.MarshalIndent(w.policies, "", " ")
				t.Fatalf("from %v to %v %s %d: the specification says %v, the rules %v; policies %s", from, to, proto, port, want, got, text)
			}
			if got {
				allowed++
			} else {
				denied++
			}
			require.True(t, crosses(rules, from, to, packet{from.address, to.address, "tcp", port, true}), "established")
		}
	}
	return allowed, denied
}

// crosses takes a packet through the nodes on its way.
func crosses(rules map[string]*ruleset, from, to end, p packet) bool {
	if rs, there := rules[from.node]; there && from.pod != nil {
		hook := "forward"
		if to.pod == nil && to.node == from.node {
			hook = "input"
		}
		if !passes(rs, hook, p) {
			return false
		}
	}
	if rs, there := rules[to.node]; there && to.node != from.node {
		hook := "forward"
		if to.pod == nil {
			hook = "input"
		}
		return passes(rs, hook, p)
	}
	return true
}

// TestChangesLeadToTheSameTable takes a table from one random ruleset to
// another by the difference, and compares it with one written anew.
func TestChangesLeadToTheSameTable(t *testing.T) {
	stepped := &kernel{nft: knftables.NewFake(knftables.InetFamily, tableName)}
	smaller := 0
	for seed := range uint64(150) {
		w := randomWorld(seed / 3)
		w.node = nodes()[0]
		if seed%3 == 1 && len(w.policies) > 0 {
			w.policies = w.policies[1:]
		}
		if seed%3 == 2 {
			w.pods = w.pods[1:]
		}
		want := build(w.state)
		operations, err := stepped.apply(t.Context(), want, false)
		require.NoError(t, err, "seed %d", seed)
		fresh := &kernel{nft: knftables.NewFake(knftables.InetFamily, tableName)}
		whole, err := fresh.apply(t.Context(), want, false)
		require.NoError(t, err)
		require.Equal(t, dump(fresh), dump(stepped), "seed %d", seed)
		if operations < whole {
			smaller++
		}
		operations, err = stepped.apply(t.Context(), want, false)
		require.NoError(t, err)
		assert.Zero(t, operations, "nothing has changed")
	}
	assert.Greater(t, smaller, 50)
}

// dump writes a table down; elements of sets have no order.
func dump(k *kernel) string {
	lines := strings.Split(strings.TrimSpace(k.nft.(*knftables.Fake).Dump()), "\n")
	elements := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "add element") })
	if elements >= 0 {
		slices.Sort(lines[elements:]) // they come last
	}
	return strings.Join(lines, "\n") + "\n"
}

// FuzzPolicy builds rules from policies that no API server would let through.
func FuzzPolicy(f *testing.F) {
	for seed := range uint64(20) {
		for _, p := range randomWorld(seed).policies {
			text, err := json.Marshal(p)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	for _, spec := range []string{
		`{"ingress":[{"from":[{}]}]}`,
		`{"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/33","except":["x"]}}]}]}`,
		`{"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.1/8","except":["0.0.0.0/0"]}}]}]}`,
		`{"egress":[{"ports":[{"port":-1},{"port":80,"endPort":1},{"port":70000},{"port":"","protocol":"ICMP"}]}]}`,
		`{"podSelector":{"matchExpressions":[{"key":"a","operator":"Like"}]}}`,
		`{"ingress":[{"from":[{"podSelector":{"matchLabels":{"\"}":"; drop"}}}]}]}`,
	} {
		f.Add([]byte(fmt.Sprintf(`{"metadata":{"namespace":"ns0","name":"x\"{"},"spec":%s}`, spec)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var p networkingv1.NetworkPolicy
		if json.Unmarshal(text, &p) != nil {
			return
		}
		w := randomWorld(7)
		w.node = nodes()[0]
		w.policies = append(w.policies, &p)
		k := &kernel{nft: knftables.NewFake(knftables.InetFamily, tableName)}
		_, err := k.apply(t.Context(), build(w.state), false)
		require.NoError(t, err)
	})
}

package policy

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inhabited is a lab with pods: a and b on the first node, c on the second, all
// in the namespace default, and d of the namespace other on the second.
type inhabited struct {
	lab
	state
	a, b, c, d *podNet
}

func newInhabited(t *testing.T) *inhabited {
	t.Helper()
	h := &inhabited{lab: newLab(t)}
	h.a, h.b = h.pod(t, 0, "10.244.1.2"), h.pod(t, 0, "10.244.1.3")
	h.c, h.d = h.pod(t, 1, "10.244.2.2"), h.pod(t, 1, "10.244.2.3")
	h.nodes[0].serve(t, 9000)
	h.nodes[1].serve(t, 9000)
	for _, n := range []string{"default", "other"} {
		h.namespaces = append(h.namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n, Labels: map[string]string{"name": n}}})
	}
	h.state.pods = []*corev1.Pod{
		podObject("default", "a", 0, h.a), podObject("default", "b", 0, h.b),
		podObject("default", "c", 1, h.c), podObject("other", "d", 1, h.d),
	}
	for i, n := range h.nodes {
		out, err := n.nft(serviceRules, "-f", "-")
		require.NoError(t, err, "node %d: %s", i, out)
	}
	return h
}

// serviceRules translate as kube-proxy does: Services 1 to 4 are the pods a to d
// on port 80, and a pod that reaches itself is masqueraded.
const serviceRules = `
table ip services {
	map backends { type ipv4_addr : ipv4_addr; elements = { 10.96.0.1 : 10.244.1.2, 10.96.0.2 : 10.244.1.3, 10.96.0.3 : 10.244.2.2, 10.96.0.4 : 10.244.2.3 } }
	chain pre { type nat hook prerouting priority dstnat; ip daddr 10.96.0.0/24 dnat to ip daddr map @backends; }
	chain out { type nat hook output priority -100; ip daddr 10.96.0.0/24 dnat to ip daddr map @backends; }
	chain post { type nat hook postrouting priority srcnat; ip saddr . ip daddr { 10.244.1.2 . 10.244.1.2 } masquerade; }
}`

func podObject(namespace, name string, node int, p *podNet) *corev1.Pod {
	o := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"name": name}}}
	o.Spec.NodeName = nodes()[node]
	o.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{
		{Name: "http", ContainerPort: 80, Protocol: corev1.ProtocolTCP}, {Name: "echo", ContainerPort: 8080, Protocol: corev1.ProtocolUDP}}}}
	o.Status.Phase, o.Status.PodIP = corev1.PodRunning, p.address.String()
	return o
}

// enforcement is a row of the table of TestKernelEnforces: policies of the
// namespace default, and who may reach whom. "a b:80" is a TCP connection,
// "a b:80/udp" an exchange of datagrams; n and m are the nodes, 1 to 4 the
// Services of a to d.
type enforcement struct {
	name           string
	policies       []string
	allowed, fails string
}

func enforcements() []enforcement {
	return []enforcement{
		{"no policy", nil,
			"a b:80, a c:80, c a:80, d a:81, a b:80/udp, a 2:80, a 3:80, a 1:80, n a:80, m a:80, a n:9000, a m:9000", ""},
		{"deny all ingress to b", []string{`podSelector: {matchLabels: {name: b}}`},
			"b a:80, b c:80, n b:80, n 2:80, a c:80, b n:9000, b m:9000", "a b:80, c b:80, d b:80/udp, m b:80, a 2:80, c 2:80"},
		{"deny all", []string{`{podSelector: {}, policyTypes: [Ingress, Egress]}`},
			"n a:80, a 1:80, m d:80", "a b:80, a c:80, c a:80, a n:9000, a m:9000, a 2:80, a d:80, d a:80, m a:80"},
		{"ingress from a pod, on one port", []string{
			`{podSelector: {matchLabels: {name: c}}, ingress: [{from: [{podSelector: {matchLabels: {name: a}}}], ports: [{port: 80}]}]}`},
			"a c:80, a 3:80", "a c:81, a c:80/udp, b c:80, d c:80, b 3:80"},
		{"egress to a pod, seen behind the Service", []string{
			`{podSelector: {matchLabels: {name: a}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {name: c}}}]}]}`},
			"a c:80, a 3:80, a c:8080/udp, b a:80, a 1:80", "a b:80, a 2:80, a d:80, a n:9000, a m:9000"},
		{"another namespace", []string{
			`{podSelector: {matchLabels: {name: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {name: other}}}]}]}`},
			"d a:80, d 1:80", "b a:80, c a:80"},
		{"blocks", []string{
			`{podSelector: {matchLabels: {name: a}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.2.0/31, 10.244.2.3/32]}}]}],
			  egress: [{to: [{ipBlock: {cidr: 10.210.0.11/32}}, {ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}`},
			"b a:80, c a:80, a n:9000", "d a:80, m a:80, a m:9000, a c:80"},
		{"ranges, names and protocols", []string{
			`{podSelector: {matchLabels: {name: b}}, ingress: [{ports: [{port: http}, {port: echo, protocol: UDP}]}]}`,
			`{podSelector: {matchLabels: {name: c}}, ingress: [{ports: [{port: 81, endPort: 8079}, {port: 8080, protocol: UDP}, {protocol: SCTP}]}]}`,
			`{podSelector: {matchLabels: {name: d}}}`},
			"a b:80, a b:8080/udp, a c:81, a c:8080/udp, a d:80", "a b:81, a b:8080, a b:80/udp, a c:80, a c:8080, a c:81/udp"},
		{"policies add up", []string{
			`{podSelector: {}}`,
			`{podSelector: {matchLabels: {name: a}}, ingress: [{from: [{podSelector: {matchLabels: {name: b}}}]}]}`,
			`{podSelector: {matchLabels: {name: a}}, ingress: [{ports: [{port: 81}]}]}`,
			`{podSelector: {matchLabels: {name: b}}, egress: [{to: [{podSelector: {}}]}]}`},
			"b a:80, c a:81", "c a:80, b d:80, a b:80"},
	}
}

// TestKernelEnforces lets the kernel decide about real connections.
func TestKernelEnforces(t *testing.T) {
	h := newInhabited(t)
	for _, e := range enforcements() {
		t.Run(e.name, func(t *testing.T) {
			h.policies = nil
			for i, spec := range e.policies {
				h.policies = append(h.policies, policyObject(t, "default", fmt.Sprintf("p%d", i), spec))
			}
			h.apply(t, h.state)
			var done sync.WaitGroup
			for _, try := range attempts(e.allowed) {
				done.Go(func() { assert.True(t, h.try(try), "%s should pass", try) })
			}
			for _, try := range attempts(e.fails) {
				done.Go(func() { assert.False(t, h.try(try), "%s should not pass", try) })
			}
			done.Wait()
		})
	}
}

func attempts(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ", ")
}

func (h *inhabited) try(attempt string) bool {
	from, to, _ := strings.Cut(attempt, " ")
	to, udp := strings.CutSuffix(to, "/udp")
	host, port, _ := strings.Cut(to, ":")
	network := "tcp4"
	if udp {
		network = "udp4"
	}
	sources := map[string]*netns{"a": h.a.netns, "b": h.b.netns, "c": h.c.netns, "d": h.d.netns, "n": h.nodes[0].netns, "m": h.nodes[1].netns}
	targets := map[string]string{
		"a": h.a.address.String(), "b": h.b.address.String(), "c": h.c.address.String(), "d": h.d.address.String(),
		"n": nodeAddress(0).String(), "m": nodeAddress(1).String(),
		"1": "10.96.0.1", "2": "10.96.0.2", "3": "10.96.0.3", "4": "10.96.0.4",
	}
	return sources[from].reaches(network, targets[host]+":"+port)
}

// TestEstablishedConnectionsStay denies everything to a pod that has open
// connections.
func TestEstablishedConnectionsStay(t *testing.T) {
	h := newInhabited(t)
	h.apply(t, h.state)
	for _, to := range []string{"10.244.1.3:80", "10.244.2.2:80"} {
		for _, network := range []string{"tcp4", "udp4"} {
			c, err := h.a.dial(network, to, time.Second)
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, echoes(c, time.Second))
			h.policies = []*networkingv1.NetworkPolicy{policyObject(t, "default", "deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)}
			h.apply(t, h.state)
			assert.False(t, h.a.reaches(network, to), "a new connection to %s %s", network, to)
			assert.NoError(t, echoes(c, time.Second), "the connection to %s %s", network, to)
			h.policies = nil
			h.apply(t, h.state)
			assert.True(t, h.a.reaches(network, to), "a connection to %s %s after the policy", network, to)
		}
	}
}

// TestKernelTakesEveryRuleset writes random rulesets into a real kernel, whole
// and by their differences, and compares what it then holds.
func TestKernelTakesEveryRuleset(t *testing.T) {
	l := newLab(t)
	stepped, fresh := l.nodes[0], l.nodes[1]
	for seed := range uint64(40) {
		w := randomWorld(seed)
		w.node = nodes()[0]
		rules := build(w.state)
		stepped.do(t, func() error { _, err := stepped.kernel.apply(t.Context(), rules, false); return err })
		fresh.do(t, func() error { _, err := fresh.kernel.apply(t.Context(), rules, true); return err })
		want, err := fresh.nft("", "-s", "list", "table", "inet", tableName)
		require.NoError(t, err)
		got, err := stepped.nft("", "-s", "list", "table", "inet", tableName)
		require.NoError(t, err)
		require.Equal(t, inOrder(want), inOrder(got), "seed %d", seed)
	}
}

// inOrder sorts the blocks of a listing, and the elements of its sets: the
// kernel lists both as they came.
func inOrder(listing string) map[string][]string {
	blocks := map[string][]string{}
	name, elements := "", false
	for line := range strings.Lines(listing) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasSuffix(line, "{") && !elements:
			name = line
		case line == "}" && !elements:
			name = ""
		default:
			elements = strings.HasPrefix(line, "elements") || elements
			if !elements {
				blocks[name] = append(blocks[name], line)
				continue
			}
			for e := range strings.SplitSeq(strings.TrimPrefix(line, "elements = {"), ",") {
				if e = strings.Trim(e, " }"); e != "" {
					blocks[name+" elements "+e] = nil
				}
			}
			elements = !strings.HasSuffix(line, "}")
		}
	}
	return blocks
}

// TestPartOfATransactionIsRefused gives nft the beginning of a transaction, as
// it gets it when its writer is killed.
func TestPartOfATransactionIsRefused(t *testing.T) {
	l := newLab(t)
	n := l.nodes[0]
	w := randomWorld(3)
	w.node = nodes()[0]
	l.apply(t, w.state)
	before, err := n.nft("", "-a", "list", "table", "inet", tableName)
	require.NoError(t, err)
	tx := n.kernel.nft.NewTransaction()
	renew(tx)
	guarded(tx, func() { change(tx, newEmpty(), build(w.state)) })
	lines := strings.SplitAfter(strings.TrimSpace(tx.String()), "\n")
	require.Greater(t, len(lines), 40)
	// The first three lines drop the table, the fourth to seventh are the guard's.
	// Between the two the whole is a few hundred bytes, which a pipe holds.
	for size := 7; size < len(lines)-3; size += 3 {
		_, err := n.nft(strings.Join(lines[:size], ""), "-f", "-")
		require.Error(t, err, "the first %d of %d lines, up to %q", size, len(lines), lines[size-1])
		after, err := n.nft("", "-a", "list", "table", "inet", tableName)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
	// What was refused does not stand in the way of the next one.
	n.kernel.held = nil
	l.apply(t, w.state)
	after, err := n.nft("", "-a", "list", "table", "inet", tableName)
	require.NoError(t, err)
	assert.NotEqual(t, before, after, "the handles of what was written anew")
}

package policy

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestGivenAddresses reads a folder with results that hold and results that do
// not.
func TestGivenAddresses(t *testing.T) {
	folder := t.TempDir()
	there, gone := filepath.Join(folder, "netns"), filepath.Join(folder, "none")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	began := time.Now()
	for i, r := range []struct{ kind, netns, pod, address string }{
		{"cniCacheV1", there, "old", "10.244.1.2/24"},
		{"cniCacheV1", there, "new", "10.244.1.2/24"}, // the later one has the address
		{"cniCacheV1", there, "six", "fd00::2/64"},
		{"cniCacheV1", gone, "lost", "10.244.1.3/24"}, // its network went with the node's power
		{"another", there, "other", "10.244.1.4/24"},
		{"cniCacheV1", there, "", "10.244.1.5/24"},
		{"cniCacheV1", there, "odd", "10.244.1.6"},
	} {
		file := filepath.Join(folder, fmt.Sprintf("squall-%d-eth0", 9-i)) // not the order of the names
		text := fmt.Sprintf(`{"kind": %q, "netns": %q, "cniArgs": [["K8S_POD_NAMESPACE", "ns"], ["K8S_POD_NAME", %q]], "result": {"ips": [{"address": %q}]}}`,
			r.kind, r.netns, r.pod, r.address)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		at := began.Add(time.Duration(i) * time.Second)
		require.NoError(t, os.Chtimes(file, at, at))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "half"), []byte(`{"kind": "cniCa`), 0o600))
	assert.Equal(t, map[netip.Addr]podKey{
		netip.MustParseAddr("10.244.1.2"): {Namespace: "ns", Name: "new"},
		netip.MustParseAddr("fd00::2"):    {Namespace: "ns", Name: "six"},
	}, givenAddresses(folder))
}

// TestTheNodeKnowsItsPodsBest: what the API says of a pod of this node may be
// from before the node was started anew.
func TestTheNodeKnowsItsPodsBest(t *testing.T) {
	pod := func(name, node, ip string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
		p.Spec.NodeName, p.Status.Phase, p.Status.PodIP = node, corev1.PodRunning, ip
		return p
	}
	in := state{node: "worker-1", pods: []*corev1.Pod{
		pod("a", "worker-1", "10.244.1.2"), pod("b", "worker-1", "10.244.1.3"), pod("c", "worker-1", "10.244.1.4"), pod("d", "worker-2", "10.244.2.2"),
	}, given: map[netip.Addr]podKey{
		netip.MustParseAddr("10.244.1.2"): {Namespace: "ns", Name: "b"},
		netip.MustParseAddr("10.244.1.3"): {Namespace: "ns", Name: "a"},
	}}
	var got []string
	for _, p := range podsOf(in) {
		got = append(got, fmt.Sprint(p.addresses))
	}
	assert.Equal(t, []string{"[10.244.1.3]", "[10.244.1.2]", "[10.244.1.4]", "[10.244.2.2]"}, got)
}

// TestUnknownNamespaces: a pod may be seen before its namespace, whose labels
// are then not empty but unknown.
func TestUnknownNamespaces(t *testing.T) {
	p := policyObject(t, "ns", "blue", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [red]}]}}]}]}`)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}
	pod.Spec.NodeName, pod.Status.PodIP = "worker-1", "10.244.1.2"
	in := state{node: "worker-1", policies: []*networkingv1.NetworkPolicy{p}, pods: []*corev1.Pod{pod}}
	knock := packet{netip.MustParseAddr("10.244.1.2"), netip.MustParseAddr("10.244.1.2"), "tcp", 80, false}
	peers := func() (all []string) {
		for name, s := range build(in).sets {
			if strings.HasPrefix(name, "pods-") {
				all = append(all, sortedKeys(s.elements)...)
			}
		}
		return all
	}
	assert.Empty(t, peers())
	assert.True(t, passes(build(in), "forward", knock), "a pod reaches itself all the same")
	in.namespaces = []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}}
	assert.Equal(t, []string{"10.244.1.2"}, peers())
}

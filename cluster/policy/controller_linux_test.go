package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/knftables"
)

const (
	soon   = 10 * time.Second
	glance = 5 * time.Millisecond
)

// written is a log that can be read while it is written.
type written struct {
	sync.Mutex
	text strings.Builder
}

func (w *written) Write(p []byte) (int, error) {
	w.Lock()
	defer w.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.Lock()
	defer w.Unlock()
	return w.text.String()
}

func (w *written) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs a controller on a node until stop is called.
func (n *nodeNet) start(t *testing.T, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := n.spawn(func() error { return Run(ctx, o) })
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			assert.NoError(t, err)
		case <-time.After(soon):
			t.Error("Run did not return after its context ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

func (h *inhabited) client() *fake.Clientset {
	var objects []runtime.Object
	for _, p := range h.state.pods {
		objects = append(objects, p)
	}
	for _, n := range h.namespaces {
		objects = append(objects, n)
	}
	return fake.NewClientset(objects...)
}

func create(t *testing.T, client *fake.Clientset, p *networkingv1.NetworkPolicy) {
	t.Helper()
	_, err := client.NetworkingV1().NetworkPolicies(p.Namespace).Create(t.Context(), p, metav1.CreateOptions{})
	require.NoError(t, err)
}

// TestRulesStayWithoutTheController stops the controller, starts one that never
// hears from the API server, and one that does.
func TestRulesStayWithoutTheController(t *testing.T) {
	h := newInhabited(t)
	client := h.client()
	log := &written{}
	o := Options{Client: client, Node: nodes()[0], Log: log.logger()}
	stop := h.nodes[0].start(t, o)
	denied := func() bool { return !h.try("a b:80") }
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "network policy rules changed") }, soon, glance)
	require.False(t, denied())
	create(t, client, policyObject(t, "default", "deny", `{podSelector: {matchLabels: {name: b}}}`))
	require.Eventually(t, denied, soon, glance)
	stop()
	assert.True(t, denied(), "after the controller has ended")
	assert.True(t, h.try("b a:80"))

	deaf := fake.NewClientset()
	deaf.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("the API server is away")
	})
	deafLog := &written{}
	stop = h.nodes[0].start(t, Options{Client: deaf, Node: nodes()[0], Log: deafLog.logger()})
	require.Eventually(t, func() bool { return strings.Contains(deafLog.String(), "the API server is away") }, soon, glance)
	assert.True(t, denied(), "before the first sync")
	stop()

	require.NoError(t, client.NetworkingV1().NetworkPolicies("default").Delete(t.Context(), "deny", metav1.DeleteOptions{}))
	assert.True(t, denied(), "the policy was deleted while nobody looked")
	h.nodes[0].start(t, o)
	require.Eventually(t, func() bool { return !denied() }, soon, glance)
}

// TestRightsSuffice compares what a controller asked of the API server with the
// rights that it says it needs.
func TestRightsSuffice(t *testing.T) {
	h := newInhabited(t)
	client, log := h.client(), &written{}
	stop := h.nodes[0].start(t, Options{Client: client, Node: nodes()[0], Log: log.logger()})
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "network policy rules changed") }, soon, glance)
	stop()
	var granted, used []string
	for _, r := range Rules() {
		for _, resource := range r.Resources {
			for _, verb := range r.Verbs {
				granted = append(granted, verb+" "+r.APIGroups[0]+"/"+resource)
			}
		}
	}
	for _, a := range client.Actions() {
		used = append(used, a.GetVerb()+" "+a.GetResource().Group+"/"+a.GetResource().Resource)
	}
	slices.Sort(granted)
	slices.Sort(used)
	assert.Equal(t, granted, slices.Compact(used))
}

// TestRepair removes the table, and a chain of it, under the controller.
func TestRepair(t *testing.T) {
	h := newInhabited(t)
	client := h.client()
	create(t, client, policyObject(t, "default", "deny", `{podSelector: {matchLabels: {name: b}}}`))
	log := &written{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := h.nodes[0].spawn(func() error {
		c := newController(Options{Client: client, Node: nodes()[0], Log: log.logger()}, h.nodes[0].kernel.nft)
		c.repairPeriod = 50 * time.Millisecond
		return c.run(ctx)
	})
	defer func() { cancel(); require.NoError(t, <-ended) }()
	denied := func() bool { return !h.try("a b:80") }
	require.Eventually(t, denied, soon, glance)
	for _, foreign := range []string{"flush chain inet squall-policy ingress-forward", "delete table inet squall-policy"} {
		out, err := h.nodes[0].nft(foreign, "-f", "-")
		require.NoError(t, err, out)
		require.Eventually(t, denied, soon, glance, "after %s", foreign)
	}
	// What is removed between the look and the writing that follows it is written
	// again without a word, so it is removed until a look sees it.
	require.Eventually(t, func() bool {
		_, _ = h.nodes[0].nft("delete table inet squall-policy", "-f", "-") // it may not be back yet
		return strings.Contains(log.String(), "somebody removed network policy rules")
	}, soon, glance)
	require.Eventually(t, denied, soon, glance)
}

// TestFailedSyncIsTriedAgain breaks the table between two changes: the
// difference cannot be written, so the whole is.
func TestFailedSyncIsTriedAgain(t *testing.T) {
	h := newInhabited(t)
	client := h.client()
	log := &written{}
	h.nodes[0].start(t, Options{Client: client, Node: nodes()[0], Log: log.logger()})
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "network policy rules changed") }, soon, glance)
	out, err := h.nodes[0].nft("delete table inet squall-policy", "-f", "-")
	require.NoError(t, err, out)
	create(t, client, policyObject(t, "default", "deny", `{podSelector: {matchLabels: {name: b}}}`))
	require.Eventually(t, func() bool { return !h.try("a b:80") }, soon, glance)
	assert.Contains(t, log.String(), "network policies are not up to date; trying again")
}

// TestRulesComeBeforeTheAddressIsInTheAPI gives a pod its network as the runtime
// does, and says nothing of its address to the API.
func TestRulesComeBeforeTheAddressIsInTheAPI(t *testing.T) {
	h := newInhabited(t)
	h.state.pods[1].Status.PodIP = "" // b
	client := h.client()
	create(t, client, policyObject(t, "default", "deny", `{podSelector: {matchLabels: {name: b}}}`))
	log := &written{}
	folder := filepath.Join(t.TempDir(), "results") // not there yet
	h.nodes[0].start(t, Options{Client: client, Node: nodes()[0], Log: log.logger(), CNIResults: folder})
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "isolatedPods=0") }, soon, glance)
	require.True(t, h.try("a b:80"))
	file := filepath.Join(folder, "squall-0123-eth0")
	began := time.Now()
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"kind": "cniCacheV1", "netns": "/proc/self/ns/net",
		"cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", "b"]],
		"result": {"ips": [{"address": "%s/32"}]}}`, h.b.address), 0o600))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "isolatedPods=1") }, soon, time.Millisecond)
	t.Logf("rules %v after the network", time.Since(began))
	assert.False(t, h.try("a b:80"))
	require.NoError(t, os.Remove(file))
	require.Eventually(t, func() bool { return h.try("a b:80") }, soon, glance)
}

// TestManyPods fills a node, and asks for the price of one more pod.
func TestManyPods(t *testing.T) {
	const pods, policies = 1000, 50
	l := newLab(t)
	n := l.nodes[0]
	var in state
	in.node = nodes()[0]
	in.namespaces = []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}
	for i := range pods {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("pod%d", i), Labels: map[string]string{"app": fmt.Sprint(i % policies)}}}
		p.Spec.NodeName, p.Status.Phase = nodes()[i/110%2], corev1.PodRunning
		p.Status.PodIP = fmt.Sprintf("10.244.%d.%d", 1+i/250, 2+i%250)
		in.pods = append(in.pods, p)
	}
	for i := range policies {
		in.policies = append(in.policies, policyObject(t, "default", fmt.Sprintf("policy%d", i), fmt.Sprintf(
			`{podSelector: {matchLabels: {app: "%d"}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {app: "%d"}}}], ports: [{port: 80}]}], egress: [{to: [{podSelector: {}}]}]}`, i, (i+1)%policies)))
	}
	write := func(what string, in state) int {
		began := time.Now()
		rules := build(in)
		built := time.Since(began)
		operations := 0
		n.do(t, func() (err error) {
			operations, err = n.kernel.apply(t.Context(), rules, false)
			return err
		})
		t.Logf("%s: %d operations, built in %v, written in %v", what, operations, built, time.Since(began)-built)
		return operations
	}
	all := write("1000 pods, 50 policies", in)
	require.Greater(t, all, pods)
	in.pods = in.pods[1:]
	assert.Less(t, write("a pod less", in), 20)
}

// TestRemarksAreMadeOnce: what is odd about a policy is no news at each sync.
func TestRemarksAreMadeOnce(t *testing.T) {
	log := &written{}
	c := newController(Options{Log: log.logger()}, knftables.NewFake(knftables.InetFamily, tableName))
	idle := state{node: nodes()[0], policies: []*networkingv1.NetworkPolicy{
		policyObject(t, "default", "nobody", `{podSelector: {matchLabels: {app: none}}}`)}}
	c.remark(build(idle))
	c.remark(build(idle))
	assert.Equal(t, 1, strings.Count(log.String(), "selects no pod"))
	assert.Contains(t, log.String(), "level=DEBUG")
	assert.Contains(t, log.String(), "policy=default/nobody")
	c.remark(build(state{}))
	c.remark(build(idle))
	assert.Equal(t, 2, strings.Count(log.String(), "selects no pod"), "after it had gone")
}

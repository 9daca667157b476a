package run

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"squall/chaos"
	"squall/chaos/chaostest"
	"squall/cluster"
	"squall/scenarios"
	"squall/scenarios/plan"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// nodeFault is a NodeChaos on all nodes of a selector.
func nodeFault(t *testing.T, action, selector string) *chaos.Object {
	t.Helper()
	object, err := chaos.Decode([]byte(`{"kind":"NodeChaos","spec":{"action":"` + action + `","mode":"all","selector":` + selector + `}}`))
	require.NoError(t, err)
	return object
}

func TestNodeVictims(t *testing.T) {
	nodes := []cluster.Node{
		{Name: "control-plane", ControlPlane: true}, {Name: "worker-1"}, {Name: "worker-2"}, {Name: "control-plane-2", ControlPlane: true}, {Name: "worker-3"},
	}
	now := live{nodes: map[string]*corev1.Node{}}
	for _, n := range nodes {
		now.nodes[n.Name] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: types.UID("uid-" + n.Name), Labels: map[string]string{"zone": n.Name}}}
	}
	order := []plan.Candidate{{Role: "worker", Ordinal: 2}, {Role: "control-plane", Ordinal: 1}, {Role: "worker"}, {Role: "control-plane"}, {Role: "worker", Ordinal: 1}}
	event := func(c plan.Count) plan.Event { return plan.Event{Count: c, Candidates: order} }
	hit := func(selector string, c plan.Count) (names []string) {
		for _, v := range nodeVictims(event(c), nodeFault(t, "stop", selector), nil, nodes, now) {
			assert.True(t, v.IsNode())
			assert.Equal(t, "uid-"+v.Node, v.UID)
			names = append(names, chaos.NodeTemplate{Role: v.Role, Ordinal: v.Ordinal}.String()+" "+v.Node)
		}
		return names
	}
	all := plan.Count{Mode: "all"}
	assert.Equal(t, []string{"worker/2 worker-3", "control-plane/1 control-plane-2", "worker/0 worker-1", "worker/1 worker-2"}, hit(`{}`, all),
		"in the plan's order, and never the client host")
	assert.Equal(t, []string{"worker/2 worker-3"}, hit(`{}`, plan.Count{Mode: "one", Pods: 1}))
	assert.Equal(t, []string{"worker/2 worker-3", "control-plane/1 control-plane-2"}, hit(`{}`, plan.Count{Mode: "fixed-percent", Percent: 50}))
	assert.Equal(t, []string{"worker/1 worker-2"}, hit(`{"labelSelectors":{"zone":"worker-2"}}`, all), "labels are those of the live node")
	delete(now.nodes, "worker-3")
	assert.Equal(t, []string{"control-plane/1 control-plane-2"}, hit(`{}`, plan.Count{Mode: "one", Pods: 1}), "a node that the API does not know is not there")
}

func TestNodesThatHost(t *testing.T) {
	nodes := []cluster.Node{{Name: "worker-1"}, {Name: "worker-2"}, {Name: "worker-3"}}
	now := live{nodes: map[string]*corev1.Node{}}
	var order []plan.Candidate
	for i, n := range nodes {
		now.nodes[n.Name] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
		order = append(order, plan.Candidate{Role: "worker", Ordinal: i})
	}
	there, leaves, ended := pod("catalog", "a", 0, "worker-3"), pod("catalog", "b", 0, "worker-1"), pod("catalog", "c", 0, "worker-2")
	deleted := metav1.Now()
	leaves.DeletionTimestamp, ended.Status.Phase = &deleted, corev1.PodSucceeded
	now.pods = []corev1.Pod{leaves, ended, pod("gateway", "d", 0, "worker-1"), there}
	hit := func(app string) (names []string) {
		narrow := &scenarios.Victims{Hosting: &scenarios.Hosting{LabelSelectors: map[string]string{"app": app}}}
		event := plan.Event{Count: plan.Count{Mode: "all"}, Candidates: order}
		for _, v := range nodeVictims(event, nodeFault(t, "stop", `{}`), narrow, nodes, now) {
			names = append(names, v.Node)
		}
		return names
	}
	assert.Equal(t, []string{"worker-3"}, hit("catalog"), "pods that leave or have ended are not hosted")
	assert.Equal(t, []string{"worker-1"}, hit("gateway"))
	assert.Empty(t, hit("cart"))
}

// TestAskNode has an API that asks a node for a sign of life and gets this or
// that.
func TestAskNode(t *testing.T) {
	const node = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"worker-1"}}`
	say := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	own := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(node))
	}
	for name, one := range map[string]struct {
		kubelet, own http.HandlerFunc
		answers      bool
		heard, err   string
	}{
		"well":         {say(200, "ok"), own, true, `its kubelet says "ok`, ""},
		"unwell":       {say(500, "syncloop failed"), own, true, "its kubelet is not well: ", ""},
		"no way to it": {say(503, "Error trying to reach service: dial tcp 10.1.0.2:10250: connect: no route to host"), own, false, "no route to host", ""},
		"no way, as a status": {say(503, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","code":503,`+
			`"message":"error trying to reach service: dial tcp 10.1.0.2:10250: i/o timeout"}`), own, false, "error trying to reach service: dial tcp 10.1.0.2:10250: i/o timeout", ""},
		"unavailable for another reason": {say(503, "etcd has no leader"), own, false, "", "unable to handle the request"},
		"silent":                         {hang, own, false, "no answer within 1s", ""},
		"not allowed":                    {say(403, "forbidden"), own, false, "", "forbidden"},
		"the API is silent":              {hang, hang, false, "", "the API that has to ask it does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("/api/v1/nodes/worker-1/proxy/healthz", one.kubelet)
			mux.HandleFunc("/api/v1/nodes/worker-1", one.own)
			server := httptest.NewServer(mux)
			defer server.Close()
			client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
			require.NoError(t, err)
			answers, heard, err := askNode(t.Context(), client, "worker-1")
			assert.Equal(t, one.answers, answers)
			assert.Contains(t, heard, one.heard)
			if one.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, one.err)
			assert.Empty(t, heard)
		})
	}
}

// testNodeContract holds NodeChaos to the contract of all faults, on a real
// worker, seen through the real API server.
func testNodeContract(ctx context.Context, t *testing.T, c cluster.Cluster, client kubernetes.Interface, action string) {
	var record tape
	r := newRecorder(newClock(), record.add, roles(t))
	r.processes = c.PodProcesses
	require.NoError(t, r.start(ctx, client))
	defer r.stop()
	now, err := lookAround(ctx, client)
	require.NoError(t, err)
	object := nodeFault(t, action, `{"nodes":["worker/1"]}`)
	hit := nodeVictims(plan.Event{Count: plan.Count{Mode: "all"}, Candidates: []plan.Candidate{{Role: "worker", Ordinal: 1}}}, object, nil, c.Info().Nodes, now)
	require.Len(t, hit, 1)
	before := now.nodes[hit[0].Node].Status.NodeInfo.BootID
	fault, err := object.Fault()
	require.NoError(t, err)
	env := chaos.Env{Client: client, Nodes: nodeSwitches{c.Nodes()}, Observer: r}
	require.NoError(t, chaostest.Run(ctx, fault, env, hit))

	node, err := client.CoreV1().Nodes().Get(ctx, hit[0].Node, metav1.GetOptions{})
	require.NoError(t, err)
	assert.NotEqual(t, before, node.Status.NodeInfo.BootID, "it was off")
	require.Eventually(t, whole(r), time.Minute, 50*time.Millisecond, "its pods come back")
}

package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"squall/chaos"
	"squall/cluster"
	"squall/scenarios"
	"squall/scenarios/plan"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// signLimit is how long a node may take to give a sign of life.
const signLimit = time.Second

// nodeSwitches are a cluster's nodes as faults switch them.
type nodeSwitches struct{ nodes cluster.Nodes }

var _ chaos.NodeControl = nodeSwitches{}

// Stop implements [chaos.NodeControl].
func (n nodeSwitches) Stop(ctx context.Context, node string) error {
	return n.nodes.Act(ctx, node, cluster.Stop)
}

// PowerOff implements [chaos.NodeControl].
func (n nodeSwitches) PowerOff(ctx context.Context, node string) error {
	return n.nodes.Act(ctx, node, cluster.PowerOff)
}

// Start implements [chaos.NodeControl].
func (n nodeSwitches) Start(ctx context.Context, node string) error {
	return n.nodes.Act(ctx, node, cluster.Start)
}

// askNode has the API server, which is on a node of the control plane, ask a
// node's kubelet how it is, over the cluster's network. Those who switch nodes
// have no part in it, and neither have Kubernetes' timers. When there is no
// answer, the API server is asked for something of its own: if that is not to be
// had either, it is not known where the silence comes from.
func askNode(ctx context.Context, client kubernetes.Interface, node string) (answers bool, heard string, err error) {
	limited, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	said, err := client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy", "healthz").MaxRetries(0).DoRaw(limited)
	why, unreached := notReached(err)
	switch {
	case err == nil:
		return true, fmt.Sprintf("its kubelet says %q", said), nil
	case ctx.Err() != nil:
		return false, "", context.Cause(ctx)
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		heard = fmt.Sprintf("no answer within %s", signLimit)
	case unreached:
		heard = why
	case apierrors.IsInternalError(err):
		return true, "its kubelet is not well: " + err.Error(), nil
	default:
		return false, "", err
	}
	own, cancelOwn := context.WithTimeout(ctx, signLimit)
	defer cancelOwn()
	if _, err := client.CoreV1().Nodes().Get(own, node, metav1.GetOptions{}); err != nil {
		return false, "", fmt.Errorf("the API that has to ask it does not answer: %w", err)
	}
	return false, heard, nil
}

// notReached tells whether an API server says that it could not reach what it was
// to ask (k8s 1.36, staging/src/k8s.io/apimachinery/pkg/util/proxy/transport.go),
// and why.
func notReached(err error) (why string, unreached bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return "", false
	}
	for _, cause := range status.Status().Details.Causes {
		said := cause.Message
		var whole metav1.Status // which the client does not read out of a raw answer
		if json.Unmarshal([]byte(said), &whole) == nil {
			said = whole.Message
		}
		if strings.HasPrefix(strings.ToLower(said), "error trying to reach service") {
			return said, true
		}
	}
	return "", false
}

// nodeVictims chooses the nodes that an event hits, as many as the plan counts
// of those that its selector takes and narrows to, in the plan's order. Nodes are those
// of the cluster, in the order in which it has them, which gives each its place
// among those of its role; one that the API does not know cannot be hit.
func nodeVictims(event plan.Event, aim *chaos.Object, narrow *scenarios.Victims, nodes []cluster.Node, now live) []chaos.Victim {
	byPlan := map[plan.Candidate]chaos.Victim{}
	count := map[string]int{}
	for _, n := range nodes {
		t := chaos.NodeTemplate{Role: chaos.RoleWorker}
		if n.ControlPlane {
			t.Role = chaos.RoleControlPlane
		}
		t.Ordinal = count[t.Role]
		count[t.Role]++
		if object := now.nodes[n.Name]; object != nil && aim.MatchNode(t, object) && narrow.TakesHost(n.Name, now.pods) {
			byPlan[plan.Candidate{Role: t.Role, Ordinal: t.Ordinal}] = chaos.Victim{
				Role: t.Role, Ordinal: t.Ordinal, UID: string(object.UID), Node: n.Name,
			}
		}
	}
	var hit []chaos.Victim
	for _, c := range event.Candidates {
		if v, ok := byPlan[c]; ok {
			hit = append(hit, v)
		}
	}
	return hit[:event.Count.Of(len(hit))]
}

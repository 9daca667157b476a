package chaostest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"squall/chaos"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// nodeLife is what a node is, whatever the API says of it.
type nodeLife struct {
	uid    types.UID
	on     bool // switched on
	answer bool // gives signs of life
	boot   int
}

// makeNodes makes the nodes w1 and w2 and returns their objects.
func (c *Cluster) makeNodes() []runtime.Object {
	var objects []runtime.Object
	for i := range 2 {
		name := fmt.Sprintf("w%d", i+1)
		c.nodes[name] = &nodeLife{uid: types.UID(fmt.Sprintf("0b5e55ed-0000-4000-8000-%012d", i)), on: true, answer: true, boot: 1}
		objects = append(objects, c.nodeObject(name))
	}
	return objects
}

// nodeObject is a node as its kubelet reports it once it is up.
func (c *Cluster) nodeObject(name string) *corev1.Node {
	n := c.nodes[name]
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: n.uid},
		Status: corev1.NodeStatus{
			NodeInfo:   corev1.NodeSystemInfo{BootID: fmt.Sprintf("boot-%d", n.boot)},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
}

// NodeVictims are the nodes of the cluster.
func (c *Cluster) NodeVictims() []chaos.Victim {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []chaos.Victim
	for i := range len(c.nodes) {
		name := fmt.Sprintf("w%d", i+1)
		all = append(all, chaos.Victim{Role: chaos.RoleWorker, Ordinal: i, UID: string(c.nodes[name].uid), Node: name})
	}
	return all
}

// Acts are what was done to nodes, sorted: "power-off w1".
func (c *Cluster) Acts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(slices.Values(c.acts))
}

// Stop implements [chaos.NodeControl].
func (c *Cluster) Stop(ctx context.Context, node string) error { return c.off(ctx, "stop", node) }

// PowerOff implements [chaos.NodeControl].
func (c *Cluster) PowerOff(ctx context.Context, node string) error {
	return c.off(ctx, "power-off", node)
}

// off switches a node off. The API goes on saying what it said, as it does for
// a while.
func (c *Cluster) off(ctx context.Context, how, node string) error {
	n, err := c.act(ctx, how, node)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.on && c.SilentAfter >= 0 {
		time.AfterFunc(c.SilentAfter, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			n.answer = false
		})
	}
	n.on = false
	return nil
}

// Start implements [chaos.NodeControl].
func (c *Cluster) Start(ctx context.Context, node string) error {
	n, err := c.act(ctx, "start", node)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !n.on && c.BackAfter >= 0 {
		time.AfterFunc(c.BackAfter, func() { c.back(node, n) })
	}
	n.on = true
	return nil
}

// back has a node be up again, and its kubelet tell the API.
func (c *Cluster) back(name string, n *nodeLife) {
	c.mu.Lock()
	n.answer = true
	n.boot++
	object := c.nodeObject(name)
	c.mu.Unlock()
	if err := c.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("nodes"), object, ""); err != nil {
		panic("chaostest: the node " + name + " is gone from the cluster in memory: " + err.Error())
	}
}

// act notes what is done to a node.
func (c *Cluster) act(ctx context.Context, what, node string) (*nodeLife, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[node]
	if n == nil {
		return nil, fmt.Errorf("there is no node %q", node)
	}
	c.acts = append(c.acts, what+" "+node)
	return n, nil
}

// AskNode implements [chaos.Observer].
func (c *Cluster) AskNode(ctx context.Context, node string) (answers bool, heard string, err error) {
	if err := ctx.Err(); err != nil {
		return false, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.nodes[node]; n != nil && n.answer {
		return true, "ok", nil
	}
	return false, "no route to host", nil
}

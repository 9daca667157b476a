package run

import (
	"reflect"
	"slices"

	"squall/reports"

	corev1 "k8s.io/api/core/v1"
)

// controlPlaneRole is the label of control-plane nodes.
const controlPlaneRole = "node-role.kubernetes.io/control-plane"

// seeNode records what the watch says of a node, if that is new. Heartbeats are
// not.
func (r *recorder) seeNode(node *corev1.Node, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordNode(nodeEntry(node, deleted))
}

// replaceNodes takes a whole list: nodes that are not in it were deleted while
// nobody looked.
func (r *recorder) replaceNodes(nodes []*corev1.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	listed := map[string]bool{}
	for _, node := range nodes {
		listed[node.Name] = true
		r.recordNode(nodeEntry(node, false))
	}
	for name, entry := range r.nodes {
		if !listed[name] {
			entry.Deleted, entry.Ready = true, false
			r.recordNode(entry)
		}
	}
}

// recordNode records a node when it is new; the caller holds the lock.
func (r *recorder) recordNode(entry reports.NodeEntry) {
	if had, known := r.nodes[entry.Name]; known && reflect.DeepEqual(had, entry) {
		return
	}
	r.nodes[entry.Name] = entry
	r.add(reports.Entry{At: r.clock.now(), Kind: reports.KindNode, Node: &entry})
}

// nodeEntry is a node as the record shows it.
func nodeEntry(node *corev1.Node, deleted bool) reports.NodeEntry {
	_, leads := node.Labels[controlPlaneRole]
	entry := reports.NodeEntry{
		Name: node.Name, ControlPlane: leads, Unschedulable: node.Spec.Unschedulable, Deleted: deleted,
	}
	for _, c := range node.Status.Conditions {
		switch {
		case c.Type == corev1.NodeReady:
			entry.Ready = c.Status == corev1.ConditionTrue && !deleted
			entry.Status, entry.Reason = string(c.Status), c.Reason
		case c.Status != corev1.ConditionFalse:
			entry.Pressure = append(entry.Pressure, string(c.Type))
		}
	}
	for _, taint := range node.Spec.Taints {
		entry.Taints = append(entry.Taints, taint.ToString())
	}
	slices.Sort(entry.Pressure)
	slices.Sort(entry.Taints)
	return entry
}

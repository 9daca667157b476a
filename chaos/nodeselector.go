package chaos

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// controlPlaneLabel is on every node of the control plane, and on no other.
const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

// NodeTemplate is what is known of a node before there is a cluster: its role,
// and its place among the nodes of the role.
type NodeTemplate struct {
	Role    string // [RoleWorker] or [RoleControlPlane]
	Ordinal int
}

// String names the node as selectors do: "worker/0".
func (t NodeTemplate) String() string { return fmt.Sprintf("%s/%d", t.Role, t.Ordinal) }

// HitsNodes tells whether the fault is aimed at nodes, and not at pods.
func (o *Object) HitsNodes() bool { return o.node != nil }

// NamedNodes are the nodes that the fault's selector names one by one.
func (o *Object) NamedNodes() []string {
	if o.node == nil {
		return nil
	}
	return slices.Clone(o.node.Spec.Selector.Nodes)
}

// MatchNodeTemplate tells whether a node could be selected. Labels that only a
// live node has count as possibly right. The client host is never selected.
func (o *Object) MatchNodeTemplate(t NodeTemplate) bool {
	if !o.matchNodeRole(t) {
		return false
	}
	known := labels.Set{}
	if t.Role == RoleControlPlane {
		known[controlPlaneLabel] = ""
	}
	requirements, _ := o.nodeLabels().Requirements()
	return !slices.ContainsFunc(requirements, func(r labels.Requirement) bool {
		return r.Key() == controlPlaneLabel && !r.Matches(known)
	})
}

// MatchNode tells whether the selector takes a live node.
func (o *Object) MatchNode(t NodeTemplate, node *corev1.Node) bool {
	return o.matchNodeRole(t) && o.nodeLabels().Matches(labels.Set(node.Labels))
}

// matchNodeRole judges what the template alone decides.
func (o *Object) matchNodeRole(t NodeTemplate) bool {
	if o.node == nil || t.String() == ClientHost {
		return false
	}
	s := &o.node.Spec.Selector
	if len(s.Nodes) > 0 {
		return slices.Contains(s.Nodes, t.String())
	}
	return len(s.Roles) == 0 || slices.Contains(s.Roles, t.Role)
}

func (o *Object) nodeLabels() labels.Selector {
	s := &o.node.Spec.Selector
	return joined(s.LabelSelectors, s.ExpressionSelectors)
}

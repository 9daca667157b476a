package chaos

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What Chaos Mesh has no kind for is Squall's own, in the same style.
const (
	kindNodeChaos = "NodeChaos"
	squallVersion = "squall.dev/v1alpha1"
)

// The roles of nodes, as selectors and plans name them.
const (
	RoleWorker       = "worker"
	RoleControlPlane = "control-plane"
)

// ClientHost is the node from which all load is sent, as a selector would name
// it: the first of the control plane. No fault ends it.
const ClientHost = RoleControlPlane + "/0"

// nodeAction is what a NodeChaos does.
type nodeAction string

const (
	stopAction     nodeAction = "stop"
	powerOffAction nodeAction = "power-off"
)

func nodeActions() []nodeAction { return []nodeAction{stopAction, powerOffAction} }

// nodeChaos is a fault on whole nodes.
type nodeChaos struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   nodeChaosMeta `json:"metadata,omitzero"`
	Spec       nodeChaosSpec `json:"spec"`
}

// nodeChaosMeta is what people write of an object's metadata. Nodes are in no
// namespace, and so is a fault on them.
type nodeChaosMeta struct {
	Name        string            `json:"name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// nodeChaosSpec has the fields of Chaos Mesh's kinds.
type nodeChaosSpec struct {
	Action   nodeAction            `json:"action"`
	Mode     v1alpha1.SelectorMode `json:"mode"`
	Value    string                `json:"value,omitempty"`
	Duration string                `json:"duration,omitempty"`
	Selector nodeSelector          `json:"selector"`
}

// nodeSelector selects nodes; all that is given must agree.
type nodeSelector struct {
	// Nodes names nodes one by one, as role and ordinal: "worker/0".
	Nodes               []string                          `json:"nodes,omitempty"`
	Roles               []string                          `json:"roles,omitempty"`
	LabelSelectors      map[string]string                 `json:"labelSelectors,omitempty"`
	ExpressionSelectors []metav1.LabelSelectorRequirement `json:"expressionSelectors,omitempty"`
}

// newNodeChaos is the object of a checked NodeChaos.
func newNodeChaos(node *nodeChaos) *Object {
	node.APIVersion, node.Kind = squallVersion, kindNodeChaos
	raw, err := json.Marshal(node)
	if err != nil {
		panic("chaos: a decoded NodeChaos cannot be written as JSON: " + err.Error())
	}
	return &Object{Kind: kindNodeChaos, Raw: raw, node: node}
}

// checkNodeChaos checks a NodeChaos as far as its shape was right.
func (f *findings) checkNodeChaos(generic map[string]any, node *nodeChaos) {
	if !f.hasSpec(generic, "{} selects every node but the client host") {
		return
	}
	const at = "spec.action"
	switch action := node.Spec.Action; {
	case slices.Contains(nodeActions(), action) || f.at(at):
	case action == "":
		f.add(at, "must be given; allowed: %s", oneOf(nodeActions()))
	default:
		f.add(at, "%q is no action of NodeChaos; allowed: %s", action, oneOf(nodeActions()))
	}
	f.checkMode(node.Spec.Mode, node.Spec.Value)
	f.checkValue(node.Spec.Mode, node.Spec.Value)
	f.checkDuration(node.Spec.Duration)
	f.checkNodeSelector("spec.selector", &node.Spec.Selector)
}

// checkValue checks the number of a mode that reads one.
func (f *findings) checkValue(mode v1alpha1.SelectorMode, value string) {
	const at = "spec.value"
	if value == "" || f.at(at) {
		return
	}
	n, err := strconv.Atoi(value)
	switch mode {
	case v1alpha1.FixedMode:
		if err != nil || n < 1 {
			f.add(at, "%q is not allowed with mode %s; it must be a whole number above 0, in quotes", value, mode)
		}
	case v1alpha1.FixedPercentMode, v1alpha1.RandomMaxPercentMode:
		if err != nil || n < 1 || n > 100 {
			f.add(at, "%q is not allowed with mode %s; it must be a percentage from 1 to 100, in quotes", value, mode)
		}
	}
}

func (f *findings) checkDuration(text string) {
	const at = "spec.duration"
	if d, err := time.ParseDuration(text); text != "" && (err != nil || d <= 0) && !f.at(at) {
		f.add(at, "%q is not allowed; it must be a duration above 0s, for example 30s", text)
	}
}

func (f *findings) checkNodeSelector(path string, s *nodeSelector) {
	roles := []string{RoleWorker, RoleControlPlane}
	for i, role := range s.Roles {
		if at := fmt.Sprintf("%s.roles[%d]", path, i); !slices.Contains(roles, role) && !f.at(at) {
			f.add(at, "%q is no role of a node; allowed: %s", role, oneOf(roles))
		}
	}
	named := regexp.MustCompile(`^(` + RoleWorker + `|` + RoleControlPlane + `)/(0|[1-9][0-9]?)$`)
	for i, node := range s.Nodes {
		switch at := fmt.Sprintf("%s.nodes[%d]", path, i); {
		case f.at(at):
		case !named.MatchString(node):
			f.add(at, "%q names no node; a node is named by its role and its place among those of the role, for example %s/0", node, RoleWorker)
		case slices.Contains(s.Nodes[:i], node):
			f.add(at, "%q stands twice", node)
		case node == ClientHost:
			f.add(at, "%q is the client host, from which load is sent: all load would end with it, and nothing could be measured; name another node", node)
		}
	}
	f.checkLabels(path+".labelSelectors", s.LabelSelectors)
	f.checkExpressions(path+".expressionSelectors", s.ExpressionSelectors)
	if len(s.Nodes) == 0 {
		return
	}
	for name, n := range map[string]int{"roles": len(s.Roles), "labelSelectors": len(s.LabelSelectors), "expressionSelectors": len(s.ExpressionSelectors)} {
		if n > 0 {
			f.add(path+"."+name, "has no use beside nodes, which are named one by one; leave one of the two out")
		}
	}
}

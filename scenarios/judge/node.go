package judge

import (
	"fmt"

	"squall/scenarios"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// nodeView is node("worker-1") in an expression.
type nodeView struct {
	run  *run
	name string
}

func nodeFields() []field {
	yes := func(name string, get func(nodeState) bool) field {
		return field{name: name, typ: types.BoolType, get: func(target any) (ref.Val, *absence) {
			view := target.(nodeView)
			last, gone := view.run.node(view.name)
			if gone != nil {
				return nil, gone
			}
			return types.Bool(get(last)), nil
		}}
	}
	return []field{
		yes("ready", func(n nodeState) bool { return n.Ready && !n.Deleted }),
		yes("schedulable", func(n nodeState) bool { return !n.Unschedulable && !n.Deleted }),
	}
}

// node is what a node was at the end of quiet.
func (r *run) node(name string) (nodeState, *absence) {
	finished, ok := r.end("quiet")
	if !ok {
		return nodeState{}, absent("the run did not get to the end of its phase \"quiet\"")
	}
	last, known := nodeState{}, false
	for _, s := range r.nodes[name] {
		if s.at <= finished {
			last, known = s, true
		}
	}
	if !known {
		return nodeState{}, absent("the record does not show node %q", name)
	}
	return last, nil
}

// nodeNames are the nodes that a scenario's cluster is made of. Every provider
// gives them these names.
func nodeNames(s *scenarios.Scenario) (all []string) {
	for i := range max(s.Spec.Cluster.ControlPlanes, 1) {
		all = append(all, fmt.Sprintf("control-plane-%d", i+1))
	}
	for i := range s.Spec.Cluster.Workers {
		all = append(all, fmt.Sprintf("worker-%d", i+1))
	}
	return all
}

package hostroom

import "squall/cluster"

// Watchers is how many inotify instances a provider's nodes take.
type Watchers struct {
	Node         int // every node
	ControlPlane int // a control-plane node, beside that
}

// Of is how many a cluster takes.
func (w Watchers) Of(spec cluster.Spec) int {
	control := max(spec.ControlPlanes, 1)
	return control*w.ControlPlane + (control+spec.Workers)*w.Node
}

// Check refuses a cluster for which root has too few inotify instances left; see
// [CheckWatchers].
func (w Watchers) Check(spec cluster.Spec) error { return CheckWatchers("the cluster", w.Of(spec)) }

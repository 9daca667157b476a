package cluster

import (
	"context"
	"io"
	"time"
)

// NodeAction is something that can be done to a node from outside it.
type NodeAction string

// What can be done to a node. Each is idempotent: what is done to a node that
// is in that state already succeeds and does nothing. A node that is off has
// nothing to pause, resume, cut off or reconnect, and one that is paused cannot
// stop in order: asked for, that fails. A node starts with its link up.
const (
	// PowerOff is silent: the node's link drops first, then everything on it
	// dies at once; no FIN or RST leaves it. Its disks are kept.
	PowerOff NodeAction = "power-off"
	// Stop is orderly: the node's programs, then its pods, are asked to end and
	// have [StopGrace] to do so; then it is switched off.
	Stop NodeAction = "stop"
	// Start brings a node that is off back: the same name, the same address, the
	// disks it had; what was in its memory is gone. It returns once the node's
	// programs are started, before the node is Ready.
	Start NodeAction = "start"
	// Pause stops every process of a node where it stands; its kernel still
	// answers, so connections stay open and nothing is served.
	Pause NodeAction = "pause"
	// Resume ends a pause.
	Resume NodeAction = "resume"
	// CutOff takes the node's link down, both ways, silently. All on it goes on.
	CutOff NodeAction = "cut-off"
	// Reconnect puts the link back up.
	Reconnect NodeAction = "reconnect"
)

// NodeActions are all actions.
func NodeActions() []NodeAction {
	return []NodeAction{PowerOff, Stop, Start, Pause, Resume, CutOff, Reconnect}
}

// StopGrace is how long what runs on a node has to end when it is stopped; it is
// a pod's default grace period.
const StopGrace = 30 * time.Second

// NodeState is what a provider knows of a node, which is not what the API says.
type NodeState struct {
	Node
	// Up says that the node is switched on, Paused that its processes are
	// stopped, Linked that its link is up.
	Up, Paused, Linked bool
}

// Nodes acts on a cluster's nodes. Errors for a node that does not exist wrap
// [ErrNoNode], for what a provider cannot do [ErrUnsupported]. Nothing here
// waits for what Kubernetes makes of it.
type Nodes interface {
	// Act does one thing to a node and returns once it is done.
	Act(ctx context.Context, node string, action NodeAction) error
	// Add makes a worker of the cluster's node size and returns once its
	// programs are started. The name is the next that no node has had.
	Add(ctx context.Context) (Node, error)
	// Remove switches a node off silently and forgets it, its disks included.
	// Its Node object stays, as when a machine is lost: deleting that is the
	// caller's. The client host cannot be removed.
	Remove(ctx context.Context, node string) error
	// States lists the nodes as the provider sees them, in the order in which
	// they were made.
	States(ctx context.Context) ([]NodeState, error)
	// Logs copies the log of one of a node's programs ("kubelet",
	// "containerd", "kube-apiserver", …) as far as it goes; that of a node
	// that is off can be read as well.
	Logs(ctx context.Context, node, program string, to io.Writer) error
}

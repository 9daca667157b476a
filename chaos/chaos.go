// Package chaos knows what a fault is: how one is written, injected, proven,
// undone, and by when it must be gone.
//
// # Written
//
// A fault is a Chaos Mesh object. [Decode] reads it strictly into Chaos Mesh's
// own type and runs that type's own defaults and validation. The [Object] says,
// with Chaos Mesh's semantics, which pods it could hit ([Object.MatchTemplate],
// before there is a cluster), which live pods it takes ([Object.MatchPod]) and
// how many of them ([Object.Count]). Choosing them is the caller's work.
//
// # Injected and proven
//
// The engine is Squall's: [Object.Fault] gives a [Fault], which injects, and
// which proves with the eyes of an [Observer] that it bit. A fault that lasts
// is an [Undoer] too. All are held to the suite in squall/chaos/chaostest.
//
// There are PodChaos with the action pod-kill, and Squall's own NodeChaos with
// the actions stop and power-off: what Chaos Mesh has no kind for is written in
// the same style.
//
// The package imports neither the cluster nor the recorder: what it may use of
// them comes through [Env]. It is the only one that imports Chaos Mesh.
package chaos

import (
	"context"
	"time"

	"k8s.io/client-go/kubernetes"
)

// Lease says what ends a fault.
type Lease string

// The lease classes.
const (
	// Instant faults have no undo: the proof is that the thing died.
	Instant Lease = "instant"
	// CrashOnly faults live in a process and die with it.
	CrashOnly Lease = "crash-only"
	// Held faults are undone by a keeper when their lease or deadline ends.
	Held Lease = "held"
)

// Fault is one kind of injection. A fault with an undo is an [Undoer] too.
type Fault interface {
	// Class says what ends the fault.
	Class() Lease
	// Inject does it, to all victims at once, and returns when the request to
	// do it has been answered. It does not wait for the effect.
	Inject(ctx context.Context, env Env, victims []Victim) error
	// Prove waits until an observer other than the injector has seen the
	// effect on every victim. Evidence is one sentence for the report. The
	// error says what was last seen.
	Prove(ctx context.Context, env Env, victims []Victim) (evidence string, err error)
}

// Undoer is a fault that lasts until it is undone.
type Undoer interface {
	Fault
	// Undo ends it. Undoing what is not there succeeds.
	Undo(ctx context.Context, env Env, victims []Victim) error
	// ProveGone waits until an observer other than the injector has seen that
	// nothing of it is left.
	ProveGone(ctx context.Context, env Env, victims []Victim) error
}

// Victim is one live pod, or one node, that a fault is aimed at. Of a node, the
// role is that of the node, the UID that of its object, and there is no pod.
type Victim struct {
	Role      string
	Ordinal   int
	Namespace string
	Pod       string
	UID       string
	Node      string
}

// IsNode tells whether the victim is a node.
func (v Victim) IsNode() bool { return v.Pod == "" }

// Env is what a fault may use: the API and the switches of nodes to act, an
// observer to see.
type Env struct {
	Client   kubernetes.Interface
	Nodes    NodeControl
	Observer Observer
}

// NodeControl switches nodes off and on, from outside them. What is so already
// is left so and succeeds.
type NodeControl interface {
	// Stop ends what runs on a node in order and switches it off.
	Stop(ctx context.Context, node string) error
	// PowerOff cuts a node's link and switches it off at once.
	PowerOff(ctx context.Context, node string) error
	// Start switches a node on.
	Start(ctx context.Context, node string) error
}

// Observer sees effects without the injector's help.
type Observer interface {
	// WaitPodGone waits until the recorder's watch has seen the pod with this
	// UID deleted, and returns when that was, on the run's clock. A pod that the
	// watch has not seen yet is waited for.
	WaitPodGone(ctx context.Context, uid string) (time.Duration, error)
	// PodProcesses counts the processes of the pod with this UID that exist on
	// the node, as the node's kernel sees them. A pod that the kernel knows
	// nothing of has none; not being able to look is an error.
	PodProcesses(ctx context.Context, node, uid string) (int, error)
	// AskNode asks a node for a sign of life, over the cluster's network, and
	// not those who switch it. Heard says in words what came, or what came in
	// its place. Not being able to ask is an error.
	AskNode(ctx context.Context, node string) (answers bool, heard string, err error)
}

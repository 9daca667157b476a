// Package oracle predicts when healing must come, from Kubernetes' own timers.
//
// It knows the rules by which Kubernetes notices that a pod or a node is lost,
// stops routing to it and replaces it. What the rules count with is read from the
// live cluster and stands in the record ([reports.TimersEntry]); nothing is
// assumed that can be read, and defaults are those of the cluster's version. A
// [Prediction] is a window with the terms that make it, so that a reader sees
// where a second comes from.
//
// It does not measure and does not judge: the report shows its windows beside
// what squall/scenarios/judge measured.
package oracle

import (
	"time"

	"squall/reports"
)

// StartUp is what it may take at most until a pod that is wanted is made, bound,
// started and shown, its image being there, besides what its own program takes:
// all steps through the API on that way are in it. It is no timer but work, and
// the largest allowance of a window. Kubernetes' own aim is 5 s (p99, sig-scalability,
// slos/pod_startup_latency.md), which counts more than that; measured medians are
// 1.5 s.
const StartUp = 3 * time.Second

// Relist is how often a kubelet looks what its containers do (k8s 1.36,
// pkg/kubelet/kubelet.go, genericPlegRelistPeriod). What starts or ends is known
// up to that much later.
const Relist = time.Second

// ProxySync is the least time between two writes of kube-proxy's rules (k8s 1.36,
// pkg/proxy/apis/config/v1alpha1/defaults.go, MinSyncPeriod): what changes after
// one waits for the next.
const ProxySync = time.Second

// apiDelay is what an answer of the API and the watches behind it may take until
// the recorder or a controller has it.
const apiDelay = time.Second

// Fault is what is done, as far as predictions depend on it.
type Fault struct {
	Kind Kind
	// Workloads are those that lose pods.
	Workloads []string
	// Nodes are the names of nodes that are lost.
	Nodes []string
	// Grace is the time that a killed pod is given to end; nil means its own.
	Grace *time.Duration
	// Lasts is how long a lasting fault lasts, from its injection to its undo.
	Lasts time.Duration
}

// Kind is a kind of fault that the oracle knows.
type Kind string

// The kinds of faults.
const (
	PodKill      Kind = "pod-kill"       // pods are deleted
	NodeStop     Kind = "node-stop"      // nodes are switched off in order
	NodePowerOff Kind = "node-power-off" // nodes are switched off silently
)

// Known tells whether the oracle predicts anything for a kind of fault.
func (k Kind) Known() bool {
	switch k {
	case PodKill, NodeStop, NodePowerOff:
		return true
	}
	return false
}

// Measure is what a prediction is about. All run from the injection.
type Measure string

// The measures.
const (
	// Detected is when the cluster itself shows the loss.
	Detected Measure = "detected"
	// Withdrawn is when the lost pods are no ready endpoints any more.
	Withdrawn Measure = "withdrawn"
	// Healed is when as many pods are ready as are wanted.
	Healed Measure = "healed"
)

// Prediction is the window in which a measure must lie.
type Prediction struct {
	Measure Measure
	// Never is true when it does not come by itself; Why says why.
	Never bool
	Why   string
	// Terms add up to the window.
	Terms []Term
}

// Term is one part of a window: between Least and Most.
type Term struct {
	Name        string
	Least, Most time.Duration
	// From says where the value was read: a flag, a field, a constant.
	From string
}

// Free is how much of a term is not known beforehand.
func (t Term) Free() time.Duration { return t.Most - t.Least }

// Window is the sum of the terms.
func (p Prediction) Window() (least, most time.Duration) {
	for _, t := range p.Terms {
		least, most = least+t.Least, most+t.Most
	}
	return least, most
}

// Holds tells whether a measured value is as predicted. A measure that never came
// is [reports.Never].
func (p Prediction) Holds(measured time.Duration) bool {
	if p.Never {
		return measured == reports.Never
	}
	least, most := p.Window()
	return least <= measured && measured <= most
}

// Predict says when each measure must come after a fault on a cluster of a
// version of Kubernetes ("v1.36.3") with these timers. It returns nothing for a
// kind of fault that it does not know. The error says what is missing or wrong in
// the timers.
func Predict(version string, timers reports.TimersEntry, fault Fault) ([]Prediction, error) {
	switch fault.Kind {
	case PodKill:
		return podKill(timers, fault)
	case NodeStop, NodePowerOff:
		return nodeLoss(version, timers, fault)
	}
	return nil, nil
}

package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"squall/reports"
)

const (
	// renewShare is the share of a Lease's length after which a kubelet renews it,
	// and renewJitter by how much of that later at most (k8s 1.36,
	// pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction;
	// component-helpers/apimachinery/lease, JitterUntil).
	renewShare  = 0.25
	renewJitter = 0.04
	// taintPass is how often queued nodes are tainted (k8s 1.36,
	// pkg/controller/nodelifecycle/scheduler, NodeEvictionPeriod).
	taintPass = 100 * time.Millisecond
	// stuckRate is an eviction rate of which it cannot be told whether it is in force:
	// once all nodes were not ready at a time, nothing is ever evicted (k8s 1.36,
	// RateLimitedTimedQueue.SwapLimiter takes the limiter that never accepts, whose
	// QPS is 1, for one of that rate).
	stuckRate = 1
	// fewNotReady is how many nodes of a zone may be not ready whatever their share
	// (k8s 1.36, ComputeZoneState).
	fewNotReady = 2
)

// nodeLoss is what follows when nodes fall silent: the controller manager waits for
// a Lease that is not renewed, marks the node and its pods as not ready, taints the
// node, and deletes its pods once they tolerate the taint no longer. A node that
// is back before ends all of that, so nothing is predicted that may come later.
func nodeLoss(version string, timers reports.TimersEntry, fault Fault) ([]Prediction, error) {
	rules, err := managerOf(version, timers)
	if err != nil {
		return nil, err
	}
	lease, err := leaseOf(timers, fault.Nodes)
	if err != nil {
		return nil, err
	}
	silent := rules.notReady(lease)
	all := []Prediction{
		{Measure: Detected, Terms: append(slices.Clone(silent), watched())},
		{Measure: Withdrawn, Terms: append(slices.Clone(silent), watched(), endpoints())},
	}
	healed, err := slowest(fault.Workloads, func(name string) (Prediction, error) {
		pods, err := podsOf(timers, name)
		if err != nil {
			return Prediction{}, err
		}
		return rules.moved(pods, silent, len(fault.Nodes), len(timers.Kubelets)), nil
	})
	if err != nil {
		return nil, err
	}
	if rules.rate != stuckRate {
		all = append(all, healed)
	}
	return slices.DeleteFunc(all, func(p Prediction) bool {
		_, most := p.Window()
		return fault.Lasts > 0 && (p.Never || most > fault.Lasts)
	}), nil
}

// notReady are the terms until a silent node is marked, its pods with it.
func (m manager) notReady(lease time.Duration) []Term {
	renewed := time.Duration(float64(lease) * renewShare * (1 + renewJitter))
	return []Term{
		{Name: "grace for a silent node", Least: m.grace, Most: m.grace, From: "node-monitor-grace-period"},
		{Name: "since its Lease was renewed", Least: -renewed, From: "nodeLeaseDurationSeconds / 4"},
		{Name: "the renewal is seen", Most: m.period, From: "node-monitor-period"},
		{Name: "the nodes are looked at", Most: m.period, From: "node-monitor-period"},
	}
}

// moved is when the pods of a workload that were on lost nodes are ready elsewhere.
func (m manager) moved(pods reports.PodTimers, silent []Term, lost, nodes int) Prediction {
	p := Prediction{Measure: Healed}
	never := func(format string, args ...any) Prediction {
		p.Never, p.Why = true, fmt.Sprintf(format, args...)
		return p
	}
	switch {
	case pods.Controller == "":
		return never("no controller replaces the pods of %q", pods.Workload)
	case pods.Controller == "StatefulSet":
		return never("the pods of StatefulSet %q are replaced once they are gone, and a node that is off cannot say so", pods.Workload)
	case pods.Unreachable == nil:
		return never("the pods of %q tolerate an unreachable node for ever", pods.Workload)
	case m.rateOf(lost, nodes) <= 0:
		return never("%d of %d nodes are lost, %g or more of them: the eviction rate is zero", lost, nodes, m.threshold)
	}
	p.Terms = append(slices.Clone(silent),
		// The node may still look ready to who puts the taint; then the next look
		// queues it anew.
		Term{Name: "the taint is put", Most: m.period + taintPass, From: "node-monitor-period + 0.1 s"},
	)
	if further := time.Duration(float64(lost-1) / m.rateOf(lost, nodes) * float64(time.Second)); further > 0 {
		p.Terms = append(p.Terms, Term{Name: "one node after the other", Most: further, From: "node-eviction-rate"})
	}
	p.Terms = append(p.Terms, Term{Name: "its pods tolerate it", Least: *pods.Unreachable, Most: *pods.Unreachable, From: "tolerationSeconds"})
	p.Terms = append(p.Terms, starts(pods)...)
	return p
}

// leaseOf is the longest Lease of the lost nodes.
func leaseOf(timers reports.TimersEntry, nodes []string) (time.Duration, error) {
	var longest time.Duration
	for _, node := range nodes {
		i := slices.IndexFunc(timers.Kubelets, func(k reports.KubeletTimers) bool { return k.Node == node })
		if i < 0 {
			return 0, fmt.Errorf("the timers of the kubelet of node %q were not read", node)
		}
		longest = max(longest, timers.Kubelets[i].Lease)
	}
	return longest, nil
}

// rateOf is how many nodes a second are tainted when so many are lost of all.
func (m manager) rateOf(lost, nodes int) float64 {
	disrupted := lost > fewNotReady && float64(lost) >= m.threshold*float64(nodes)
	switch {
	case !disrupted:
		return m.rate
	case nodes > m.large:
		return m.slowRate
	}
	return 0
}

// manager are the timers of the controller manager.
type manager struct {
	grace, period time.Duration
	// Of nodes a second; slowRate holds in large clusters of whose nodes the share
	// threshold is not ready.
	rate, slowRate, threshold float64
	large                     int // more nodes than this are a large cluster
}

// managerOf reads the controller manager's timers from its flags; those that were
// not given have the defaults of the version.
func managerOf(version string, timers reports.TimersEntry) (manager, error) {
	given, read := timers.Flags[controllerManager]
	if !read {
		return manager{}, fmt.Errorf("the flags of %s were not read", controllerManager)
	}
	flags := reader{component: controllerManager, given: given, wrong: nil}
	grace, err := graceOf(version)
	if err != nil {
		return manager{}, err
	}
	m := manager{
		grace:     flags.duration("node-monitor-grace-period", grace),
		period:    flags.duration("node-monitor-period", 5*time.Second),
		rate:      flags.number("node-eviction-rate", 0.1),
		slowRate:  flags.number("secondary-node-eviction-rate", 0.01),
		threshold: flags.number("unhealthy-zone-threshold", 0.55),
		large:     int(flags.number("large-cluster-size-threshold", 50)),
	}
	return m, flags.wrong
}

// graceOf is the default of node-monitor-grace-period: 50 s since 1.32, to be longer
// than a dead HTTP/2 connection goes unnoticed (kubernetes issue 121793), 40 s
// before.
func graceOf(version string) (time.Duration, error) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return 0, fmt.Errorf("read the version of Kubernetes %q: %w", version, err)
	}
	if cmp.Or(cmp.Compare(major, 1), cmp.Compare(minor, 32)) < 0 {
		return 40 * time.Second, nil
	}
	return 50 * time.Second, nil
}

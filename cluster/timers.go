package cluster

import (
	"fmt"
	"maps"
	"strconv"
	"time"
)

// Timers names a set of Kubernetes' own timers.
type Timers string

const (
	// StockTimers are the defaults of every component.
	StockTimers Timers = "stock"
	// FastTimers are the same timers cut down by one table, for scenarios that
	// would take many minutes. Every report says so.
	FastTimers Timers = "fast"
)

// TimerSet is the value of each timer. A zero value stands for the component's
// own default.
type TimerSet struct {
	// Of kubelets: how often the node's status is computed, how long its Lease
	// lasts (it is renewed at a quarter of that: k8s 1.36,
	// pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction), and how often
	// pods are looked at again.
	NodeStatusUpdate, NodeLease, Sync time.Duration
	// Of the controller manager: after how long a silent node is NotReady, how
	// often it looks, and how many nodes it evicts pods from in a second.
	NodeMonitorGrace, NodeMonitorPeriod time.Duration
	NodeEvictionRate                    float64
	// How long pods stay bound to a node that is not ready or unreachable when
	// they do not say so themselves.
	NotReadyToleration, UnreachableToleration time.Duration
	// Of the HorizontalPodAutoscaler's controller.
	HPASync, HPACPUInitialization, HPAInitialReadiness time.Duration
	// MetricsResolution is how often metrics-server asks the kubelets, and
	// MetricsRequest how long it waits for one; the first must be clearly above
	// the second.
	MetricsResolution, MetricsRequest time.Duration
	// Of leader elections: of the controller manager and the scheduler.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// Set returns the timers' values; for [StockTimers], the defaults of Kubernetes
// 1.36 and metrics-server 0.9, which are never passed on as flags.
func (t Timers) Set() (TimerSet, error) {
	switch t {
	case StockTimers, "":
		return TimerSet{
			NodeStatusUpdate: 10 * time.Second, NodeLease: 40 * time.Second, Sync: time.Minute,
			NodeMonitorGrace: 50 * time.Second, NodeMonitorPeriod: 5 * time.Second, NodeEvictionRate: 0.1,
			NotReadyToleration: 300 * time.Second, UnreachableToleration: 300 * time.Second,
			HPASync: 15 * time.Second, HPACPUInitialization: 5 * time.Minute, HPAInitialReadiness: 30 * time.Second,
			MetricsResolution: 15 * time.Second, MetricsRequest: 10 * time.Second,
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		}, nil
	case FastTimers:
		return TimerSet{
			NodeStatusUpdate: 2 * time.Second, NodeLease: 8 * time.Second, Sync: 10 * time.Second,
			NodeMonitorGrace: 10 * time.Second, NodeMonitorPeriod: time.Second,
			// Not 1: the limiter that lets nothing pass says that its rate is 1, and is
			// kept where 1 is what is to follow. A cluster whose nodes were all not ready
			// for a moment, as at its start, would then never evict (k8s 1.36,
			// nodelifecycle/scheduler, SwapLimiter; client-go, fakeNeverRateLimiter).
			NodeEvictionRate:   2,
			NotReadyToleration: 15 * time.Second, UnreachableToleration: 15 * time.Second,
			HPASync: 5 * time.Second, HPACPUInitialization: 10 * time.Second, HPAInitialReadiness: 5 * time.Second,
			MetricsResolution: 10 * time.Second, MetricsRequest: 2 * time.Second,
			LeaseDuration: 5 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: time.Second,
		}, nil
	}
	return TimerSet{}, fmt.Errorf("the timers %q do not exist: there are %q and %q", string(t), StockTimers, FastTimers)
}

// NotReady is the window in which the controller manager marks a node NotReady
// that falls silent at a random moment, from that moment on. It renewed its
// Lease up to a quarter of the Lease's length before; the controller manager
// takes the time from when it saw that, up to one period late, and looks once a
// period (k8s 1.36, pkg/controller/nodelifecycle/node_lifecycle_controller.go,
// tryUpdateNodeHealth). One second is added for the API and the watch.
func (s TimerSet) NotReady() (least, most time.Duration) {
	return s.NodeMonitorGrace - s.NodeLease/4, s.NodeMonitorGrace + 2*s.NodeMonitorPeriod + time.Second
}

// Flags are the flags of a component that set its timers. A kubelet's are in its
// configuration, see [TimerSet.Kubelet].
func (s TimerSet) Flags(component string) map[string]string {
	election := map[string]string{
		"leader-elect-lease-duration": s.LeaseDuration.String(),
		"leader-elect-renew-deadline": s.RenewDeadline.String(),
		"leader-elect-retry-period":   s.RetryPeriod.String(),
	}
	switch component {
	case "kube-apiserver":
		return map[string]string{
			"default-not-ready-toleration-seconds":   strconv.Itoa(int(s.NotReadyToleration.Seconds())),
			"default-unreachable-toleration-seconds": strconv.Itoa(int(s.UnreachableToleration.Seconds())),
		}
	case "kube-controller-manager":
		maps.Copy(election, map[string]string{
			"node-monitor-grace-period":                           s.NodeMonitorGrace.String(),
			"node-monitor-period":                                 s.NodeMonitorPeriod.String(),
			"node-eviction-rate":                                  strconv.FormatFloat(s.NodeEvictionRate, 'g', -1, 64),
			"horizontal-pod-autoscaler-sync-period":               s.HPASync.String(),
			"horizontal-pod-autoscaler-cpu-initialization-period": s.HPACPUInitialization.String(),
			"horizontal-pod-autoscaler-initial-readiness-delay":   s.HPAInitialReadiness.String(),
		})
		return election
	case "kube-scheduler":
		return election
	}
	return nil
}

// Kubelet are the fields of a KubeletConfiguration that set its timers.
func (s TimerSet) Kubelet() map[string]any {
	return map[string]any{
		"nodeStatusUpdateFrequency": s.NodeStatusUpdate.String(),
		"nodeLeaseDurationSeconds":  int(s.NodeLease.Seconds()),
		"syncFrequency":             s.Sync.String(),
	}
}

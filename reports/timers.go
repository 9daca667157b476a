package reports

// TimersEntry is what bears on when healing must come, as it was read from the
// cluster while the workloads came up: Kubernetes' own timers where they are set,
// and the pods' own. squall/scenarios/oracle predicts from it.
type TimersEntry struct {
	// Flags are the flags with which components of the control plane were started,
	// by component and by flag without dashes. A flag that was not given is absent
	// and has the default of the version.
	Flags map[string]map[string]string `json:"flags"`
	// Kubelets are the nodes' kubelets, sorted by node.
	Kubelets []KubeletTimers `json:"kubelets"`
	// Pods are the pods of each workload, sorted by workload.
	Pods []PodTimers `json:"pods"`
	// Missing says what could not be read, and why.
	Missing []string `json:"missing,omitempty"`
}

// KubeletTimers are the timers of one node's kubelet.
type KubeletTimers struct {
	Node         string `json:"node"`
	ControlPlane bool   `json:"controlPlane,omitempty"`
	Lease        Offset `json:"lease"`        // how long the node's Lease lasts
	StatusUpdate Offset `json:"statusUpdate"` // how often the node's status is computed
}

// PodTimers are the timers of a workload's pods, those of one that was live.
type PodTimers struct {
	Workload string `json:"workload"`
	// Controller is the kind of what replaces a lost pod, empty when nothing does.
	Controller string `json:"controller,omitempty"`
	Grace      Offset `json:"grace"` // terminationGracePeriodSeconds
	// Start is what the pods' program takes to start, as far as the scenario says.
	Start Offset `json:"start,omitempty"`
	// Of the readiness probe; Period is zero when there is none.
	InitialDelay Offset `json:"initialDelay,omitempty"`
	Period       Offset `json:"period,omitempty"`
	Successes    int    `json:"successes,omitempty"`
	// How long the pods stay bound to a node that is not ready or unreachable;
	// absent when for ever.
	NotReady    *Offset `json:"notReady,omitempty"`
	Unreachable *Offset `json:"unreachable,omitempty"`
}

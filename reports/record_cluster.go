package reports

// ContainerEntry is what a [PodEntry] says of one of its containers.
type ContainerEntry struct {
	Name string `json:"name"`
	// Init is set for a container that runs before, or beside, the others:
	// one of the pod's initContainers.
	Init     bool  `json:"init,omitempty"`
	Restarts int32 `json:"restarts,omitempty"`
	// Waiting is why it does not run, for example "CrashLoopBackOff"; empty when
	// it runs or is merely being started.
	Waiting string `json:"waiting,omitempty"`
	// Ended is how its last run ended, nil when none has.
	Ended *ContainerEnd `json:"ended,omitempty"`
}

// ContainerEnd is how a run of a container ended.
type ContainerEnd struct {
	Code int32 `json:"code"` // exit code
	// Signal ended it; by the exit code (128 and the signal) where the runtime
	// does not say.
	Signal int32  `json:"signal,omitempty"`
	Reason string `json:"reason,omitempty"` // "OOMKilled", "Error", "Completed"
}

// NodeEntry is one change of a node, as the recorder's watch saw it at At.
type NodeEntry struct {
	Name string `json:"name"` // "worker-1"
	// ControlPlane is set for a node with the role of one.
	ControlPlane bool `json:"controlPlane,omitempty"`
	// Ready is whether its condition Ready is true, Reason and Status what the
	// condition says; Status is "True", "False" or "Unknown".
	Ready  bool   `json:"ready"`
	Status string `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Pressure are the other conditions that are not as they should be, sorted:
	// "MemoryPressure".
	Pressure      []string `json:"pressure,omitempty"`
	Taints        []string `json:"taints,omitempty"` // key=value:effect, sorted
	Unschedulable bool     `json:"unschedulable,omitempty"`
	Deleted       bool     `json:"deleted,omitempty"`
}

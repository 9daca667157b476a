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

// NoticeEntry is something that Kubernetes told about an object: an Event of
// its API, which has nothing to do with those of a timeline. At is when the
// recorder's watch saw it.
type NoticeEntry struct {
	Object  string `json:"object"` // kind/name, "Pod/catalog-5d9f-x2x7q", "Node/worker-1"
	Reason  string `json:"reason"` // "BackOff", "Unhealthy", "NodeNotReady"
	Type    string `json:"type"`   // "Normal", "Warning"
	Message string `json:"message,omitempty"`
	// Count is how often it has happened by now.
	Count int32  `json:"count"`
	From  string `json:"from,omitempty"` // the component that told it
}

// LogEntry says what became of one log of a container.
type LogEntry struct {
	Pod       string `json:"pod"` // namespace/name
	Container string `json:"container"`
	// Previous is set for the log of the run before the container's last restart.
	Previous bool `json:"previous,omitempty"`
	// File is the log in the record's folder; empty when there is none.
	File string `json:"file,omitempty"`
	// Bytes are in the file; Cut is set when the log was longer.
	Bytes int  `json:"bytes,omitempty"`
	Cut   bool `json:"cut,omitempty"`
	// Unread is why there is no file.
	Unread string `json:"unread,omitempty"`
}

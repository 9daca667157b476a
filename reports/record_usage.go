package reports

// UsageEntry is what a node and the scenario's pods on it used of its processors
// and its memory, as its kubelet told at At. A kubelet measures every 10 s, so it
// is up to that much older, and CPU is a mean over the time between two such
// measurements. Entries of one round, one a node, have the same At.
type UsageEntry struct {
	Node   string     `json:"node"`
	CPU    float64    `json:"cpu"`    // cores
	Memory int64      `json:"memory"` // bytes of the working set: what cannot be taken back at once
	Pods   []PodUsage `json:"pods,omitempty"`
	// Unread is why the kubelet told nothing; the rest is zero then.
	Unread string `json:"unread,omitempty"`
}

// PodUsage is what one pod used. A pod that was not measured twice yet is left out.
type PodUsage struct {
	Pod    string  `json:"pod"`            // namespace/name
	Role   string  `json:"role,omitempty"` // the workload it belongs to
	CPU    float64 `json:"cpu"`
	Memory int64   `json:"memory"`
}

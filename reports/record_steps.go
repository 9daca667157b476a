package reports

// Changed is an object that a step made a new generation of.
type Changed struct {
	Object     string `json:"object"` // kind/name
	UID        string `json:"uid"`
	Generation int64  `json:"generation"`
}

// RolloutEntry is what the controller of a Deployment or a StatefulSet says, from
// At on, of bringing out what is asked for.
type RolloutEntry struct {
	Object     string `json:"object"` // kind/name
	UID        string `json:"uid"`
	Generation int64  `json:"generation"` // what is asked for
	Observed   int64  `json:"observed"`   // what the controller has seen
	Desired    int32  `json:"desired"`    // pods that are asked for
	Pods       int32  `json:"pods"`       // of all revisions
	Updated    int32  `json:"updated"`    // of the newest revision
	Ready      int32  `json:"ready"`
	Available  int32  `json:"available"`
	// Partition is how many pods of a StatefulSet stay as they are.
	Partition int32 `json:"partition,omitempty"`
	// Late is set when a Deployment got no further within its progress deadline.
	Late    bool `json:"late,omitempty"`
	Deleted bool `json:"deleted,omitempty"`
}

// TenantsEntry is which pods a drain of a node would have to move, from At on: those
// of all namespaces that have not ended and that neither a DaemonSet nor the kubelet
// itself looks after. It is recorded in runs that drain.
type TenantsEntry struct {
	Node      string   `json:"node"`
	Evictable []string `json:"evictable"` // namespace/name, sorted
}

package kind

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"squall/cluster"
)

// Paths in every node's container.
const (
	// programsDir holds this program under the names of its parts; see [Main].
	programsDir = "/squall/bin"
	// orderPath is the node's [nodeOrder].
	orderPath = "/squall/node.json"
	// ownDir is on the node's disk, which outlives its power-off.
	ownDir = "/var/lib/squall"
	// servicesConfig is the kubeconfig of the node's own services.
	servicesConfig = ownDir + "/services.kubeconfig"
	// volumesDir is where volumes are mounted, backingDir where the files behind
	// them are.
	volumesDir = ownDir + "/volumes"
	backingDir = ownDir + "/backing"
	// logDir has the logs of the units; those of pods are where kubelets put
	// them.
	logDir = "/var/log/squall"
)

// nodeOrder tells the parts of this program in a node what the node is.
type nodeOrder struct {
	Node         string
	ControlPlane bool
	CPU          int64 // processors; 0 means the host's
	Memory       int64 // bytes; 0 means the host's
	VolumeSpace  int64 // bytes that the node's volumes may have together
	PodNetwork   string
	Subnet       string // of the cluster's network
	Without      map[cluster.Part]bool
	Timers       cluster.TimerSet
}

// orderFor is the order of a node of a cluster.
func (s state) orderFor(n cluster.Node) nodeOrder {
	o := nodeOrder{
		Node: n.Name, ControlPlane: n.ControlPlane, VolumeSpace: s.Space, PodNetwork: podNetwork, Subnet: s.Subnet,
		Without: s.Settings.Without, Timers: s.Settings.Timers,
	}
	if !n.ControlPlane {
		o.CPU, o.Memory = s.CPU, s.Memory
	}
	return o
}

// orderFile is where a node's order is on the host.
func orderFile(folder, node string) string { return filepath.Join(folder, nodesDir, node+".json") }

func (o nodeOrder) write(folder string) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, nodesDir), 0o700); err != nil {
		return fmt.Errorf("making the folder for the nodes' orders: %w", err)
	}
	return writeWhole(orderFile(folder, o.Node), b)
}

func readOrder(path string) (nodeOrder, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nodeOrder{}, fmt.Errorf("reading the node's order: %w", err)
	}
	var o nodeOrder
	if err := json.Unmarshal(b, &o); err != nil {
		return nodeOrder{}, fmt.Errorf("reading the node's order: %s: %w", path, err)
	}
	return o, nil
}

//go:build linux

package embedded

import (
	"fmt"

	"squall/cluster"
)

// The addresses of a cluster. Each cluster has network namespaces of its own,
// so all clusters use the same ones and none can meet the host's.
const (
	bridgeAddress  = "10.210.0.1"
	nodeNetwork    = "10.210.0.0/24"
	podNetwork     = "10.244.0.0/16"
	serviceNetwork = "10.96.0.0/16"
	apiServiceIP   = "10.96.0.1"
	dnsServiceIP   = "10.96.0.10"
	apiPort        = 6443
)

// config is all that janitor, supervisor and nodes need to know. It travels
// down through pipes, never through files or arguments: it holds keys.
type config struct {
	Name     string
	Detached bool
	// Folder is the cluster's state folder on the host.
	Folder string
	// Components is the folder of the component tree; it holds bin and cni.
	Components string
	// Stores is the folder of the image stores, Store the name of this
	// cluster's in it. It may still be in the making.
	Stores, Store string
	// Prepared is a folder with an etcd data folder to start from; empty at
	// the first start of a version.
	Prepared string
	// SaveTo is where a first start saves its prepared state, and SaveTemp the
	// folder beside it that is written first.
	SaveTo, SaveTemp string
	PKI              pki
	Nodes            []nodeConfig
}

// nodeConfig describes one node.
type nodeConfig struct {
	Name         string
	Index        int // 0 for the control plane, workers from 1
	ControlPlane bool
	CPU          int64 // cores; 0 means the host's
	Memory       int64 // bytes; 0 means the host's
}

func (n nodeConfig) address() string { return fmt.Sprintf("10.210.0.%d", 10+n.Index) }

func (n nodeConfig) podNetwork() string { return fmt.Sprintf("10.244.%d.0/24", n.Index) }

// layOut names and numbers the nodes of a cluster.
func layOut(spec cluster.Spec) []nodeConfig {
	nodes := []nodeConfig{{Name: controlPlaneName, ControlPlane: true}}
	for i := 1; i <= spec.Workers; i++ {
		nodes = append(nodes, nodeConfig{
			Name:   workerName(i),
			Index:  i,
			CPU:    spec.NodeCPU.Value(),
			Memory: spec.NodeMemory.Value(),
		})
	}
	return nodes
}

// controlPlaneName is the name of the first control-plane node, the client
// host.
const controlPlaneName = "control-plane-1"

func workerName(i int) string { return fmt.Sprintf("worker-%d", i) }

// apiServer is the API server's address inside the cluster.
func (c config) apiServer() string {
	return fmt.Sprintf("https://%s:%d", c.Nodes[0].address(), apiPort)
}

//go:build linux

package embedded

import (
	"fmt"
	"net"
	"strconv"

	"squall/cluster"
	"squall/cluster/settings"
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
	// balancerAddresses are those that LoadBalancer Services get.
	balancerAddresses = "10.97.0.0/24"
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
	// Volumes is the folder, on the host's disk, in which the nameless files
	// that back volumes lie, VolumeSpace how many bytes each node may have of
	// them.
	Volumes     string
	VolumeSpace int64
	// Prepared is a folder with an etcd data folder to start from; empty at
	// the first start of a version.
	Prepared string
	// SaveTo is where a first start saves its prepared state, and SaveTemp the
	// folder beside it that is written first.
	SaveTo, SaveTemp string
	PKI              pki
	Nodes            []nodeConfig
	// SysResource says that OOM scores and limits can be set, see [capability.SysResource].
	SysResource bool
	Settings    settings.Settings
}

// nodeConfig describes one node.
type nodeConfig struct {
	Name string
	// Index is 0 for the first control-plane node; workers count from 1,
	// further control-plane nodes from [furtherControlPlanes] on.
	Index        int
	ControlPlane bool
	CPU          int64 // cores; 0 means the host's
	Memory       int64 // bytes; 0 means the host's
}

// furtherControlPlanes is the index of the second control-plane node, so that
// workers that are added later have room.
const furtherControlPlanes = 201

func (n nodeConfig) address() string { return fmt.Sprintf("10.210.0.%d", 10+n.Index) }

func (n nodeConfig) podNetwork() string { return fmt.Sprintf("10.244.%d.0/24", n.Index) }

// layOut names and numbers the nodes of a cluster: control-plane nodes first.
func layOut(spec cluster.Spec) []nodeConfig {
	var nodes []nodeConfig
	for i := 1; i <= max(spec.ControlPlanes, 1); i++ {
		nodes = append(nodes, controlPlaneNode(i))
	}
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

// controlPlaneNode is the i-th control-plane node, counted from 1. Its size is
// the host's.
func controlPlaneNode(i int) nodeConfig {
	n := nodeConfig{Name: fmt.Sprintf("control-plane-%d", i), ControlPlane: true}
	if i > 1 {
		n.Index = furtherControlPlanes + i - 2
	}
	return n
}

// controlPlaneName is the name of the first control-plane node, the client
// host.
const controlPlaneName = "control-plane-1"

func workerName(i int) string { return fmt.Sprintf("worker-%d", i) }

// controlPlanes are the control-plane nodes among some.
func controlPlanes(nodes []nodeConfig) []nodeConfig {
	var found []nodeConfig
	for _, n := range nodes {
		if n.ControlPlane {
			found = append(found, n)
		}
	}
	return found
}

// apiServer is where workers reach the API: the API server itself where there
// is one, the balancer on the bridge where there are several.
func (c config) apiServer() string {
	if len(controlPlanes(c.Nodes)) > 1 {
		return apiURL(bridgeAddress)
	}
	return apiURL(c.Nodes[0].address())
}

// apiURL is the URL of an API server at an address inside the cluster.
func apiURL(address string) string {
	return "https://" + net.JoinHostPort(address, strconv.Itoa(apiPort))
}

// Package cluster says what a cluster is to Squall, however it was made, and
// when one is ready.
//
// A provider (squall/cluster/embedded, later squall/cluster/kind) makes real
// Kubernetes clusters. Nothing here knows scenarios, workloads or faults.
package cluster

import (
	"context"
	"io"

	"squall/workloads/image"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Spec says what cluster to make.
type Spec struct {
	// Name is a DNS label of at most 20 characters, unique on the host.
	Name string
	// Workers is the number of worker nodes, 1 to 5.
	Workers int
	// ControlPlanes is the number of control-plane nodes, 1 or 3; zero means 1.
	// They are tainted, each runs an etcd member, and the first is the client
	// host.
	ControlPlanes int
	// NodeCPU and NodeMemory are the size each worker advertises and is held to.
	NodeCPU, NodeMemory resource.Quantity
	// Images are on every node before its first pod.
	Images []image.Image
	// Registries are those that nodes may pull further images from, each as in an
	// image's reference ("docker.io"), where they answer the host. Nodes have no
	// other way out.
	Registries []string
	// Timers says which of Kubernetes' timers the cluster runs with; empty means
	// [StockTimers].
	Timers Timers
	// FeatureGates are set on every component that knows them.
	FeatureGates map[string]bool
	// Flags are flags of components, by component and by flag without dashes:
	// {"kube-controller-manager": {"concurrent-deployment-syncs": "1"}}.
	Flags map[string]map[string]string
	// Without names parts that the cluster does without.
	Without []Part
	// Early, when not nil, is called with an administrator's kubeconfig as soon as
	// every node takes pods, while the cluster's own parts may still be starting:
	// what is deployed then comes up beside them. Its error ends the making of
	// the cluster.
	Early func(ctx context.Context, kubeconfig []byte) error
	// Detached lets the cluster outlive the process that made it. Without it
	// the cluster ends when that process does, however that ends.
	Detached bool
}

// Part is a part of a cluster that can be left out, to see what it costs.
type Part string

// The parts that can be left out.
const (
	Metrics       Part = "metrics"       // metrics-server; without it no HPA scales
	Storage       Part = "storage"       // the provisioner and the default StorageClass
	Policy        Part = "policy"        // enforcement of NetworkPolicies
	LoadBalancers Part = "loadbalancers" // addresses for Services of type LoadBalancer
)

// Parts are all parts that can be left out.
func Parts() []Part { return []Part{Metrics, Storage, Policy, LoadBalancers} }

// Info describes a cluster that exists.
type Info struct {
	Name       string `json:"name"`
	Provider   string `json:"provider"`
	Kubernetes string `json:"kubernetes"` // for example "v1.36.3"
	// NodeImage is the published image that nodes are made from; empty when
	// Squall made all that they are.
	NodeImage string `json:"nodeImage,omitempty"`
	Nodes     []Node `json:"nodes"`
	Server    string `json:"server"` // the API's address on the host's loopback
	DNS       string `json:"dns"`    // the cluster DNS' address, "10.96.0.10"
}

// Node is one node of a cluster.
type Node struct {
	Name         string `json:"name"`
	Address      string `json:"address"`
	ControlPlane bool   `json:"controlPlane"`
}

// Provider makes clusters of one kind, finds and removes them.
type Provider interface {
	// Create makes a cluster and returns when it is ready: every node Ready,
	// its DNS answering, its Services routed. When it fails, or ctx ends, what
	// was made is removed before it returns.
	Create(ctx context.Context, spec Spec, progress func(string)) (Cluster, error)
	// Find returns the cluster of that name, or an error that wraps
	// [ErrNotFound].
	Find(ctx context.Context, name string) (Cluster, error)
	// List returns the clusters that exist.
	List(ctx context.Context) ([]Info, error)
	// Remove removes a cluster and everything that is left of it. Removing
	// what is not there succeeds.
	Remove(ctx context.Context, name string) error
}

// Cluster is a cluster that is up.
type Cluster interface {
	// Info describes it.
	Info() Info
	// Kubeconfig is an administrator's kubeconfig for the host's loopback.
	Kubeconfig() ([]byte, error)
	// Exec runs a program on a node, by default the client host, until it ends.
	// When ctx ends, or the node does, it is killed.
	Exec(ctx context.Context, run Exec) error
	// Nodes acts on the cluster's nodes from outside them.
	Nodes() Nodes
	// PodProcesses counts the processes of a pod on a node, asking the node's
	// kernel and not Kubernetes.
	PodProcesses(ctx context.Context, node, podUID string) (int, error)
	// Done is closed when the cluster is gone, for whatever reason.
	Done() <-chan struct{}
	// CPUSeconds is the processor time that the whole cluster has used.
	CPUSeconds() (float64, error)
}

// Exec is a program to run on a node.
type Exec struct {
	// Node is the node's name; empty means the client host, the first
	// control-plane node.
	Node string
	// Inside runs the program with the node's own files, as one of its
	// programs, which is how the agent runs. Argv[0] is still the host's path
	// and need not exist on the node. Otherwise it only shares the node's
	// network and processes.
	Inside bool
	// Argv is the program's path, as the host sees it, and its arguments.
	Argv []string
	// Urgent asks for the processor before everything else on the host, where
	// the host grants it: a program that keeps time must not wait behind the
	// cluster that it measures.
	Urgent bool
	// Stdin is copied to the program; it sees the end of its input when Stdin
	// ends, at once when Stdin is nil.
	Stdin io.Reader
	// Stdout and Stderr take what it writes, each from a goroutine of its own,
	// so they must not be the same writer; nil drops it.
	Stdout, Stderr io.Writer
}

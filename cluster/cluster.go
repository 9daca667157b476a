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
	// Workers is the number of worker nodes, 1 to 3. There is always one
	// control-plane node besides, which is tainted and is the client host.
	Workers int
	// NodeCPU and NodeMemory are the size each worker advertises and is held to.
	NodeCPU, NodeMemory resource.Quantity
	// Images are on every node before its first pod.
	Images []image.Image
	// Detached lets the cluster outlive the process that made it. Without it
	// the cluster ends when that process does, however that ends.
	Detached bool
}

// Info describes a cluster that exists.
type Info struct {
	Name       string `json:"name"`
	Provider   string `json:"provider"`
	Kubernetes string `json:"kubernetes"` // for example "v1.36.3"
	Nodes      []Node `json:"nodes"`
	Server     string `json:"server"` // the API's address on the host's loopback
	DNS        string `json:"dns"`    // the cluster DNS' address, "10.96.0.10"
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
	// Exec runs argv on the client host, the first control-plane node, until
	// it ends. When ctx ends, or the cluster does, it is killed.
	Exec(ctx context.Context, run Exec) error
	// PodProcesses counts the processes of a pod on a node, asking the node's
	// kernel and not Kubernetes.
	PodProcesses(ctx context.Context, node, podUID string) (int, error)
	// Done is closed when the cluster is gone, for whatever reason.
	Done() <-chan struct{}
	// CPUSeconds is the processor time that the whole cluster has used.
	CPUSeconds() (float64, error)
}

// Exec is a program to run on the client host.
type Exec struct {
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

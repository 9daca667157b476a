// Package volumes gives claims their volumes: a default StorageClass and a
// provisioner of local volumes, one a node. A volume is a folder on the node
// that was chosen for the claim's first pod, bounded to the size asked for. It
// stays on that node: pods that use it are scheduled there, and find their data
// again when they are replaced.
//
// The package speaks to Kubernetes. What a disk is made of is the caller's
// affair, behind Disks; Folder makes disks out of mounts. Nothing here is a CSI
// driver: no kubelet asks it anything, and it does not know which node it is on
// beyond the name it is given.
//
// # What holds at any moment
//
// A disk's name is its volume's name, "pvc-" and the claim's UID, so whatever
// was begun is found again. A disk exists as long as its PersistentVolume or
// its claim does, and not longer: those left over are removed when Run starts
// and whenever a claim or a volume goes. Run may be killed at any point and
// started again.
//
// # Why not sig-storage-lib-external-provisioner
//
// That library is written for a process of its own. It registers types in
// client-go's global scheme when a controller is made, which races with every
// other client in the process; it ends the process on errors; it saves volumes
// with a context of its own. Growing, sweeping and telling the scheduler how
// much is left would be ours in any case.
package volumes

import (
	"context"
	"errors"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

// Disks are the disks of one node.
type Disks interface {
	// Make makes a disk of at least so many bytes and returns the path of its
	// folder as the node's kubelet sees it. A disk of that name which is there
	// keeps its content and grows when it is smaller. When the node has too
	// little left, the error says how much: users read it.
	Make(ctx context.Context, name string, bytes int64) (path string, err error)
	// Remove removes a disk and all that is on it. Removing what is not there
	// succeeds.
	Remove(ctx context.Context, name string) error
	// Usage is what there is, disks that are only half made included.
	Usage(ctx context.Context) (Usage, error)
}

// Usage is how a node's disks are used.
type Usage struct {
	// Names are the names of its disks.
	Names []string
	// Free is how many bytes disks can still be made of.
	Free int64
}

// Options are what Run needs.
type Options struct {
	// Client may do what Rules and SystemRules list.
	Client kubernetes.Interface
	// Node is the name of the node, and the value of its label
	// kubernetes.io/hostname.
	Node string
	// Disks are this node's disks. Run calls one method at a time.
	Disks Disks
	// Log takes what is done and what fails; nil drops it.
	Log *slog.Logger
}

// Run provisions the volumes of one node until ctx ends, which is no error.
// While the API is away it waits for it.
func Run(ctx context.Context, o Options) error {
	if o.Client == nil || o.Node == "" || o.Disks == nil {
		return errors.New("provisioning volumes needs a client, a node's name and its disks")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: o.Client.CoreV1().Events(corev1.NamespaceAll)})
	p := &provisioner{
		Options: o,
		events:  broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: Provisioner, Host: o.Node}),
	}
	return p.run(ctx)
}

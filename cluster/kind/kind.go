// Package kind makes real Kubernetes clusters out of Docker containers, with the
// library of sigs.k8s.io/kind. It needs a Docker engine, and on Linux the right
// to use it; not root.
//
// # How a cluster is built
//
//	squall              the command; it works through the docker command
//	 ├ squall-kind-make   a child that calls kind's library, which knows no
//	 │                    context: to end it is to kill it
//	 └ squall-kind-keeper a process of its own session; removes the cluster when
//	                      squall ends, however that is
//
// Each cluster has a Docker network of its own, "squall-NAME", which is made
// first and removed last. It has labels that say whose it is and an IPv4 subnet,
// so that a node keeps its address. What hangs on such a network is ours;
// nothing else is ever touched.
//
// In every node runs this same program as two units: one makes the node look as
// large as it is held to, the other connects pods and is what other clusters run
// as DaemonSets. See [Main].
package kind

import (
	"squall/cluster"
)

// Name is this provider's name in scenarios, reports and on the command line.
const Name = "kind"

// MaxWorkers is the largest number of workers that a cluster starts with.
const MaxWorkers = 5

// Provider makes clusters of Docker containers. The zero value is not usable;
// see [New].
type Provider struct {
	cache     string
	plain     bool // see [NewPlain]
	additions Additions
	nodeImage string // see [Provider.WithNodeImage]
}

var _ cluster.Provider = (*Provider)(nil)

// New returns a provider that caches what it builds under the folder cache, and
// keeps the state of its clusters there.
func New(cache string) *Provider { return &Provider{cache: cache} }

// WithNodeImage returns a provider whose clusters are made from a published image of
// kind's nodes, which is pulled where it is not there. It is pinned by its digest
// and has a patch of the minor version that the components have. What scenarios
// need is put upon it, so that nodes still import nothing.
func (p *Provider) WithNodeImage(ref string) *Provider {
	with := *p
	with.nodeImage = ref
	return &with
}

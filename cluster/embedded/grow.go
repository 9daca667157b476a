//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"squall/cluster"
)

// maxNodes is the largest number of nodes that a cluster grows to. Addresses
// would last for more; a host hardly would.
const maxNodes = 16

// add makes a worker like the others and waits until its programs are started.
func (h *host) add(ctx context.Context) (cluster.Node, error) {
	if err := checkNode(nodeConfig{}); err != nil {
		return cluster.Node{}, err // before it takes a name
	}
	s, err := h.enrol()
	if err != nil {
		return cluster.Node{}, err
	}
	s.turn <- struct{}{} // nobody has had it yet
	defer func() { <-s.turn }()
	err = h.start(ctx, s)
	if err == nil {
		err = h.announce(ctx)
	}
	if err != nil {
		return cluster.Node{}, errors.Join(fmt.Errorf("starting %s: %w", s.node.Name, err), h.remove(ctx, s))
	}
	return describeNode(s.node), nil
}

// enrol gives the next worker its place, its keys and everybody's routes to it.
func (h *host) enrol() (*slot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.slots) >= maxNodes {
		return nil, fmt.Errorf("the cluster has %d nodes already, which is the most that this provider makes: %w", len(h.slots), cluster.ErrUnsupported)
	}
	if h.next >= furtherControlPlanes {
		return nil, fmt.Errorf("%d workers have been made and their addresses are not used again: %w", h.next-1, cluster.ErrUnsupported)
	}
	like := slices.IndexFunc(h.cfg.Nodes, func(n nodeConfig) bool { return !n.ControlPlane })
	if like < 0 {
		return nil, fmt.Errorf("the cluster was made without workers, so it has no node size: %w", cluster.ErrUnsupported)
	}
	n := h.cfg.Nodes[like]
	n.Name, n.Index = workerName(h.next), h.next
	for _, r := range nodeRequests(n) {
		if _, has := h.cfg.PKI[r.file]; has {
			continue // prepared state has keys for the usual number
		}
		if err := h.cfg.PKI.issue(r, time.Now()); err != nil {
			return nil, fmt.Errorf("issuing the certificate %q: %w", r.file, err)
		}
	}
	h.next++
	s := newSlot(n)
	h.slots = append(h.slots, s)
	return s, nil
}

// remove switches a node off and forgets it. The caller has its turn.
func (h *host) remove(ctx context.Context, s *slot) error {
	if s.node.Name == controlPlaneName {
		return fmt.Errorf("it is the client host, from which all load is sent; it cannot be removed: %w", cluster.ErrUnsupported)
	}
	if err := h.powerOff(ctx, s); err != nil {
		return err
	}
	h.mu.Lock()
	h.slots = slices.DeleteFunc(h.slots, func(o *slot) bool { return o == s })
	h.mu.Unlock()
	errs := []error{unroute(bridgeName, s.node.podNetwork()), h.announce(ctx), h.forgetVolumes(s.node.Name)}
	if err := os.RemoveAll(filepath.Join(disksDir, s.node.Name)); err != nil {
		errs = append(errs, fmt.Errorf("removing its disks: %w", err))
	}
	return errors.Join(errs...)
}

// forgetVolumes unmounts the volumes of a node.
func (h *host) forgetVolumes(node string) error {
	h.mounting.Lock()
	defer h.mounting.Unlock()
	var errs []error
	for path := range h.volumes {
		if filepath.Dir(path) == nodeVolumes(node) {
			errs = append(errs, h.forgetDisk(path))
		}
	}
	return errors.Join(errs...)
}

// announce tells all nodes and the janitor, who tells the world, which nodes
// there are.
func (h *host) announce(ctx context.Context) error {
	h.growing.Lock() // the last word is the newest
	defer h.growing.Unlock()
	h.mu.Lock()
	peers := h.peers()
	h.mu.Unlock()
	h.tell(order{Peers: peers})
	return h.life.report(ctx, describeNodes(peers))
}

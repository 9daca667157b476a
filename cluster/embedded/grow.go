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
	"squall/cluster/hostroom"
)

// maxNodes is the largest number of nodes that a cluster grows to. Addresses
// would last for more; a host hardly would.
const maxNodes = 16

// add makes a worker like the others and waits until its programs are started.
func (h *host) add(ctx context.Context) (cluster.Node, error) {
	space, err := h.room()
	if err != nil {
		return cluster.Node{}, err // before it takes a name
	}
	s, err := h.enrol()
	if err != nil {
		return cluster.Node{}, err
	}
	defer func() { <-s.turn }()
	s.space = space
	err = h.start(ctx, s)
	if err == nil {
		err = h.announce(ctx)
	}
	if err != nil {
		return cluster.Node{}, errors.Join(fmt.Errorf("starting %s: %w", s.node.Name, err), h.remove(context.WithoutCancel(ctx), s))
	}
	return describeNode(s.node), nil
}

// room refuses a worker that the host has no room for now, and returns how many
// bytes its volumes may have: as if what is free on the disk now were shared out
// anew. The volumes of those that are there take of the same disk, and the disk
// tells when it is full.
func (h *host) room() (space int64, err error) {
	if err := checkNode(nodeConfig{}); err != nil {
		return 0, err
	}
	memory, err := hostroom.ReadMemory()
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	nodes, workers := len(h.slots)+1, 0
	for _, s := range h.slots {
		if !s.node.ControlPlane {
			workers++
		}
	}
	h.mu.Unlock()
	if like := h.cfg.worker(); like != nil {
		if err := memory.CheckOneMore(workers, like.Memory); err != nil {
			return 0, err
		}
	}
	return volumeSpace(backingDir, nodes)
}

// enrol gives the next worker its place, its keys and everybody's routes to it.
// The caller has its turn, from before anybody else can see it.
func (h *host) enrol() (*slot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.slots) >= maxNodes {
		return nil, fmt.Errorf("the cluster has %d nodes already, which is the most that this provider makes: %w", len(h.slots), cluster.ErrUnsupported)
	}
	if h.next >= furtherControlPlanes {
		return nil, fmt.Errorf("%d workers have been made and their addresses are not used again: %w", h.next-1, cluster.ErrUnsupported)
	}
	like := h.cfg.worker()
	if like == nil {
		return nil, fmt.Errorf("the cluster was made without workers, so it has no node size: %w", cluster.ErrUnsupported)
	}
	n := *like
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
	s.turn <- struct{}{}
	h.slots = append(h.slots, s)
	return s, nil
}

// worker is the first worker that a cluster begins with, which those that are
// added are like; nil when there is none.
func (c config) worker() *nodeConfig {
	i := slices.IndexFunc(c.Nodes, func(n nodeConfig) bool { return !n.ControlPlane })
	if i < 0 {
		return nil
	}
	return &c.Nodes[i]
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
	errs := []error{unroute(bridgeName, s.node.podNetwork()), h.announce(context.WithoutCancel(ctx)), h.forgetVolumes(s.node.Name)}
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

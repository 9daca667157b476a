//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"squall/cluster"
	"squall/cluster/hostroom"
)

// errOff says that something was asked of a node that is off.
var errOff = errors.New("the node is off; start it first")

// withNode does something to a node while nothing else is done to it.
func (h *host) withNode(ctx context.Context, name string, do func(*slot) error) error {
	s := h.slot(name)
	if s == nil {
		return cluster.ErrNoNode
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("something else is being done to the node: %w", context.Cause(ctx))
	}
	if h.slot(name) != s { // removed meanwhile
		return cluster.ErrNoNode
	}
	return do(s)
}

// slot returns a node's place, nil when there is no such node.
func (h *host) slot(name string) *slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.slots {
		if s.node.Name == name {
			return s
		}
	}
	return nil
}

// look returns what is known of a node now.
func (h *host) look(s *slot) (run *nodeRun, state cluster.NodeState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	on := s.run.on()
	return s.run, cluster.NodeState{Node: describeNode(s.node), Up: on, Paused: on && s.paused, Linked: on && !s.cut}
}

// states lists the nodes.
func (h *host) states() []cluster.NodeState {
	h.mu.Lock()
	slots := append([]*slot(nil), h.slots...)
	h.mu.Unlock()
	all := make([]cluster.NodeState, len(slots))
	for i, s := range slots {
		_, all[i] = h.look(s)
	}
	return all
}

// act does one thing to a node. The caller has its turn.
func (h *host) act(ctx context.Context, s *slot, action cluster.NodeAction) error {
	_, state := h.look(s)
	switch action {
	case cluster.PowerOff:
		return h.powerOff(ctx, s)
	case cluster.Start:
		return h.start(ctx, s)
	case cluster.Stop:
		return h.stop(ctx, s)
	case cluster.Pause, cluster.Resume, cluster.CutOff, cluster.Reconnect:
		if !state.Up {
			return errOff
		}
	}
	switch action {
	case cluster.Pause:
		return h.pause(ctx, s)
	case cluster.Resume:
		return h.resume(ctx, s)
	case cluster.CutOff:
		return h.setLink(s, false)
	case cluster.Reconnect:
		return h.setLink(s, true)
	}
	return fmt.Errorf("there is nothing called %q that can be done to a node, there are %v: %w", action, cluster.NodeActions(), cluster.ErrUnsupported)
}

// offDeadline bounds the end of a node that is killed. The kernel takes some
// milliseconds.
const offDeadline = 10 * time.Second

// powerOff takes a node's link down, so that nothing that dies can say goodbye,
// and then ends everything on it at once. It also removes what a node has left
// that ended by itself.
//
// It goes on when ctx has ended: also what took too long is taken back.
func (h *host) powerOff(ctx context.Context, s *slot) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), offDeadline, fmt.Errorf("not gone within %s", offDeadline))
	defer cancel()
	run, state := h.look(s)
	if state.Up {
		if err := switchLink(s.node, false); err != nil && !noLink(err) {
			return err
		}
		run.expected.Store(true)
		h.reaper.signal(run.pid, syscall.SIGKILL)
	}
	if run != nil {
		select {
		case <-run.ended:
		case <-ctx.Done():
			return fmt.Errorf("the kernel has not ended the node's processes: %w", context.Cause(ctx))
		}
	}
	if err := unplug(s.node); err != nil {
		return err
	}
	if err := h.groups.remove(ctx, s.node.Name); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.paused, s.cut, s.halted = false, false, nil
	return nil
}

// startDeadline bounds the start of a node's programs. A worker takes a quarter
// of a second, a control plane waits for its API.
const startDeadline = time.Minute

// start switches a node on that is off and waits until its programs are started.
func (h *host) start(ctx context.Context, s *slot) error {
	if _, state := h.look(s); state.Up {
		return nil
	}
	// A node that ended by itself has left its control groups.
	if err := h.powerOff(ctx, s); err != nil {
		return fmt.Errorf("removing what it left: %w", err)
	}
	if err := checkNode(s.node); err != nil {
		return err
	}
	err := h.switchOn(s)
	if err == nil {
		err = h.waitStarted(ctx, s)
	}
	if err != nil {
		return errors.Join(err, h.powerOff(ctx, s))
	}
	return nil
}

// checkNode refuses a node that would come up on this host and never be Ready.
func checkNode(n nodeConfig) error {
	need := watchers().Node
	if n.ControlPlane {
		need += watchers().ControlPlane
	}
	if err := hostroom.CheckWatchers("the node", need); err != nil {
		return fmt.Errorf("%w: %w", cluster.ErrHost, err)
	}
	return nil
}

// waitStarted waits until a node has started its programs.
func (h *host) waitStarted(ctx context.Context, s *slot) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startDeadline, fmt.Errorf("its programs are not started within %s", startDeadline))
	defer cancel()
	run, _ := h.look(s)
	select {
	case <-run.started:
		if run.trouble != "" {
			return errors.New(run.trouble)
		}
		return nil
	case <-run.ended:
		return fmt.Errorf("the node's init %s", run.how)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stopDeadline is how long a node has for an orderly stop: the grace of what
// runs on it, then that of the control plane's programs, and what it takes to
// ask.
const stopDeadline = cluster.StopGrace + 30*time.Second

// stop lets a node end what runs on it and then switches it off, at the latest
// when its time is over.
func (h *host) stop(ctx context.Context, s *slot) error {
	run, state := h.look(s)
	if state.Paused {
		return errors.New("the node is paused and cannot end anything; resume it first, or power it off")
	}
	if state.Up {
		if err := run.link.order(order{Stop: true}); err != nil {
			return err
		}
		late := time.NewTimer(stopDeadline)
		defer late.Stop()
		select {
		case <-run.stopped:
		case <-run.ended:
		case <-late.C:
		}
	}
	return h.powerOff(ctx, s)
}

// setLink takes a node's link up or down.
func (h *host) setLink(s *slot, up bool) error {
	if err := switchLink(s.node, up); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.cut = !up
	return nil
}

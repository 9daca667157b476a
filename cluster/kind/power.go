package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"squall/cluster"
)

// errOff says that something was asked of a node that is off.
var errOff = errors.New("the node is off; start it first")

// offDeadline bounds the end of a node that is killed. The engine takes half a
// second; on a loaded host it may need a few.
const offDeadline = 30 * time.Second

// powerOff cuts the node's link, so that nothing that dies can say goodbye, and
// then ends everything on it at once. It goes on when ctx has ended: a node that
// is half off is of no use to anybody.
func (n nodes) powerOff(ctx context.Context, node string, c container) error {
	if !c.State.Running {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), offDeadline, fmt.Errorf("not gone within %s", offDeadline))
	defer cancel()
	if err := n.setLink(ctx, c, false); err != nil {
		return err
	}
	if c.State.Paused { // what is frozen cannot be killed everywhere
		if _, err := docker(ctx, "unpause", c.ID); err != nil {
			return err
		}
	}
	return n.h.now().ending(ctx, []string{c.ID}, func() error {
		if _, err := docker(ctx, "kill", "--signal", "KILL", c.ID); err != nil && !strings.Contains(err.Error(), "is not running") {
			return err
		}
		_, err := docker(ctx, "wait", c.ID)
		return err
	})
}

// start switches a node on that is off, at the address that it had, and waits
// until its programs are started.
func (n nodes) start(ctx context.Context, node string, c container) error {
	if c.State.Running {
		return nil
	}
	if err := n.pinAddress(ctx, node, c); err != nil {
		return err
	}
	if _, err := docker(ctx, "start", c.ID); err != nil {
		return err
	}
	err := n.h.ask(ctx, node, nil, io.Discard, "started")
	if err == nil {
		return nil
	}
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), offDeadline)
	defer cancel()
	_, late := docker(undo, "kill", "--signal", "KILL", c.ID)
	return errors.Join(fmt.Errorf("its programs do not start: %w", err), late)
}

// pinAddress makes the engine give a node that is off the address that it had:
// otherwise it gives the lowest that is free.
func (n nodes) pinAddress(ctx context.Context, node string, c container) error {
	name := n.h.state.Info.Name
	if had := c.NetworkSettings.Networks[networkName(name)]; had.IPAMConfig != nil && had.IPAMConfig.IPv4Address != "" {
		return nil
	}
	for _, known := range n.h.Info().Nodes {
		if known.Name != node {
			continue
		}
		if _, err := docker(ctx, "network", "disconnect", networkName(name), c.ID); err != nil {
			return err
		}
		_, err := docker(ctx, "network", "connect", "--ip", known.Address, networkName(name), c.ID)
		return err
	}
	return cluster.ErrNoNode
}

// stopDeadline is how long a node has for an orderly stop: the grace of what runs
// on it, then that of its own programs.
const stopDeadline = cluster.StopGrace + 30*time.Second

// stop lets a node end what runs on it and then switches it off, at the latest
// when its time is over.
func (n nodes) stop(ctx context.Context, node string, c container) error {
	if c.State.Running && c.State.Paused {
		return errors.New("the node is paused and cannot end anything; resume it first, or power it off")
	}
	if c.State.Running {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopDeadline)
		defer cancel()
		_ = n.h.ask(grace, node, nil, io.Discard, "stop") // what has not ended by then is switched off
	}
	return n.powerOff(ctx, node, c)
}

// pause freezes the processes of a node's container. See [cluster.Pause].
func (n nodes) pause(ctx context.Context, node string, c container) error {
	if c.State.Paused {
		return nil
	}
	_, err := docker(ctx, "pause", c.ID)
	return err
}

func (n nodes) resume(ctx context.Context, node string, c container) error {
	if !c.State.Paused {
		return nil
	}
	_, err := docker(ctx, "unpause", c.ID)
	return err
}

// The table that is a cut link: whatever would come in or go out on the node's
// card is dropped, silently, as by a cable that is not there. It lies in the
// node's own network namespace and so goes with it. Routes and addresses stay.
const (
	linkTable = "squall_link"
	linkCut   = "table netdev " + linkTable + " {\n" +
		" chain in { type filter hook ingress device eth0 priority -500; policy drop; }\n" +
		" chain out { type filter hook egress device eth0 priority 500; policy drop; }\n}\n"
	linkBack = "delete table netdev " + linkTable + "\n"
)

// setLink cuts a node's link or puts it back.
func (n nodes) setLink(ctx context.Context, c container, up bool) error {
	linked, err := n.linked(ctx, c)
	if err != nil || linked == up {
		return err
	}
	rules := linkCut
	if up {
		rules = linkBack
	}
	if _, err := n.nft(ctx, c, strings.NewReader(rules), "-f", "-"); err != nil {
		return fmt.Errorf("setting the node's link: %w", err)
	}
	return nil
}

// linked tells whether a node's link is not cut.
func (n nodes) linked(ctx context.Context, c container) (bool, error) {
	out, err := n.nft(ctx, c, nil, "list", "tables")
	return !strings.Contains(out, linkTable), err
}

// nft runs nft in a node's network namespace. In a container that is paused
// nothing can be run; another one then shares its namespace.
func (n nodes) nft(ctx context.Context, c container, in io.Reader, args ...string) (string, error) {
	if in == nil {
		in = bytes.NewReader(nil)
	}
	if !c.State.Paused {
		return dockerInput(ctx, in, append([]string{"exec", "--privileged", "--interactive", c.ID, "nft"}, args...)...)
	}
	return dockerInput(ctx, in, append([]string{"run", "--rm", "--interactive", "--privileged",
		"--label", labelCluster + "=" + n.h.state.Info.Name, "--network", "container:" + c.ID,
		"--entrypoint", "nft", n.h.now().Image}, args...)...)
}

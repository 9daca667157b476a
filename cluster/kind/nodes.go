package kind

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"squall/cluster"
)

// nodes acts on the nodes of a cluster through the engine.
type nodes struct{ h *handle }

var _ cluster.Nodes = nodes{}

// Nodes acts on the cluster's nodes. See [cluster.Cluster].
func (h *handle) Nodes() cluster.Nodes { return nodes{h} }

// Act does one thing to a node. See [cluster.Nodes].
func (n nodes) Act(ctx context.Context, node string, action cluster.NodeAction) error {
	if err := n.act(ctx, node, action); err != nil {
		return fmt.Errorf("%s of node %q in cluster %q: %w", action, node, n.h.state.Info.Name, err)
	}
	return nil
}

// turn waits for this process' turn to act on a node, or on all of them.
func (n nodes) turn(ctx context.Context, what string) (end func(), err error) {
	lock, err := waitLock(ctx, filepath.Join(n.h.folder, turnFile+"."+what))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the cluster is gone: %w", cluster.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("something else is being done to %s: %w", what, err)
	}
	return func() { lock.Close() }, nil
}

func (n nodes) act(ctx context.Context, node string, action cluster.NodeAction) error {
	if !n.h.hasNode(node) {
		return cluster.ErrNoNode
	}
	if !slices.Contains(cluster.NodeActions(), action) {
		return fmt.Errorf("there is nothing called %q that can be done to a node, there are %v: %w", action, cluster.NodeActions(), cluster.ErrUnsupported)
	}
	end, err := n.turn(ctx, node)
	if err != nil {
		return err
	}
	defer end()
	c, err := n.look(ctx, node)
	if err != nil {
		return err
	}
	switch action {
	case cluster.PowerOff:
		return n.powerOff(ctx, node, c)
	case cluster.Start:
		return n.start(ctx, node, c)
	case cluster.Stop:
		return n.stop(ctx, node, c)
	}
	if !c.State.Running {
		return errOff
	}
	switch action {
	case cluster.Pause:
		return n.pause(ctx, node, c)
	case cluster.Resume:
		return n.resume(ctx, node, c)
	case cluster.CutOff:
		return n.setLink(ctx, c, false)
	default:
		return n.setLink(ctx, c, true)
	}
}

// look asks the engine for a node's container.
func (n nodes) look(ctx context.Context, node string) (container, error) {
	all, err := inspect(ctx, n.h.container(node))
	if err != nil {
		return container{}, err
	}
	return all[0], nil
}

// States lists the nodes as the engine sees them. See [cluster.Nodes].
func (n nodes) States(ctx context.Context) ([]cluster.NodeState, error) {
	var all []cluster.NodeState
	for _, node := range n.h.Info().Nodes {
		s, err := n.state(ctx, node)
		if err != nil {
			return nil, fmt.Errorf("asking for the state of node %s in cluster %q: %w", node.Name, n.h.state.Info.Name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// changing is how long a node that is just being started or switched off may be
// neither on nor off: the engine says that it runs, and runs nothing in it.
const changing = 5 * time.Second

// state is what a node is. One that is changing meanwhile is looked at again.
func (n nodes) state(ctx context.Context, node cluster.Node) (cluster.NodeState, error) {
	late := time.Now().Add(changing)
	for {
		c, err := n.look(ctx, node.Name)
		if err != nil {
			return cluster.NodeState{}, err
		}
		s := cluster.NodeState{Node: node, Up: c.State.Running, Paused: c.State.Running && c.State.Paused}
		if !s.Up {
			return s, nil
		}
		if s.Linked, err = n.linked(ctx, c); err == nil {
			return s, nil
		}
		if time.Now().After(late) {
			return s, fmt.Errorf("looking for its link: %w", err)
		}
		select {
		case <-ctx.Done():
			return s, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond): // the engine tells nobody who waits
		}
	}
}

// Logs copies a program's log from the node's disk, whether or not the node is
// on. See [cluster.Nodes].
func (n nodes) Logs(ctx context.Context, node, program string, to io.Writer) error {
	if err := n.logs(ctx, node, program, to); err != nil {
		return fmt.Errorf("reading the log of %s on node %q in cluster %q: %w", program, node, n.h.state.Info.Name, err)
	}
	return nil
}

// podLogs is where a kubelet keeps the logs of pods.
const podLogs = "/var/log/pods"

func (n nodes) logs(ctx context.Context, node, program string, to io.Writer) error {
	if !n.h.hasNode(node) {
		return cluster.ErrNoNode
	}
	found, names := false, map[string]bool{}
	for _, folder := range []string{logDir, podLogs} {
		err := n.eachFile(ctx, node, folder, func(name string, content io.Reader) error {
			of := logOf(name)
			if of == "" {
				return nil
			}
			if names[of] = true; of != program {
				return nil
			}
			found = true
			_, err := io.Copy(to, content)
			return err
		})
		if err != nil {
			return err
		}
	}
	if found {
		return nil
	}
	var there []string
	for name := range names {
		there = append(there, name)
	}
	slices.Sort(there)
	return fmt.Errorf("%w; there are %s", fs.ErrNotExist, strings.Join(there, ", "))
}

// logOf is the program that a file below [logDir] or [podLogs], as docker cp
// names it, is the log of; empty when it is that of none of a node's programs.
// A pod's is kept in NAMESPACE_POD_UID/CONTAINER/N.log.
func logOf(name string) string {
	if path.Ext(name) != ".log" {
		return ""
	}
	parts := strings.Split(path.Clean(name), "/")
	switch {
	case len(parts) == 2:
		return strings.TrimSuffix(parts[1], ".log")
	case len(parts) == 4 && strings.HasPrefix(parts[1], "kube-system_"+parts[2]+"-"):
		return parts[2]
	}
	return ""
}

// eachFile calls do for every regular file below a folder of a node, which docker
// hands out also when the node is off.
func (n nodes) eachFile(ctx context.Context, node, folder string, do func(string, io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := []string{"cp", n.h.container(node) + ":" + folder, "-"}
	c := command(ctx, args...)
	var said lastWords
	c.Stderr = &said
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	reading := eachInTar(out, do)
	if reading != nil {
		cancel() // the rest is of no use
	}
	ended := c.Wait()
	if reading != nil && !errors.Is(reading, io.ErrUnexpectedEOF) {
		return reading
	}
	if ended != nil {
		return dockerError(args, ended, said.String())
	}
	return nil
}

func eachInTar(r io.Reader, do func(string, io.Reader) error) error {
	files := tar.NewReader(r)
	for {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		if err := do(head.Name, files); err != nil {
			return err
		}
	}
}

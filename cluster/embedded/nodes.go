//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// nodes acts on the nodes of a cluster by asking its supervisor.
type nodes struct{ h *handle }

var _ cluster.Nodes = nodes{}

// Nodes acts on the cluster's nodes. See [cluster.Cluster].
func (h *handle) Nodes() cluster.Nodes { return nodes{h} }

// Act does one thing to a node. See [cluster.Nodes].
func (n nodes) Act(ctx context.Context, node string, action cluster.NodeAction) error {
	if _, err := n.h.ask(ctx, command{Do: string(action), Node: node}); err != nil {
		return fmt.Errorf("%s of node %q in cluster %q: %w", action, node, n.h.state.Info.Name, err)
	}
	return nil
}

// Add makes a worker. See [cluster.Nodes].
func (n nodes) Add(ctx context.Context) (cluster.Node, error) {
	a, err := n.h.ask(ctx, command{Do: doAdd})
	if err != nil {
		return cluster.Node{}, fmt.Errorf("adding a node to cluster %q: %w", n.h.state.Info.Name, err)
	}
	return a.Node, nil
}

// Remove switches a node off and forgets it. See [cluster.Nodes].
func (n nodes) Remove(ctx context.Context, node string) error {
	if _, err := n.h.ask(ctx, command{Do: doRemove, Node: node}); err != nil {
		return fmt.Errorf("removing node %q from cluster %q: %w", node, n.h.state.Info.Name, err)
	}
	return nil
}

// States lists the nodes as the supervisor sees them. See [cluster.Nodes].
func (n nodes) States(ctx context.Context) ([]cluster.NodeState, error) {
	a, err := n.h.ask(ctx, command{Do: doStates})
	if err != nil {
		return nil, fmt.Errorf("asking for the nodes of cluster %q: %w", n.h.state.Info.Name, err)
	}
	return a.States, nil
}

// Logs copies a program's log, which lies on the node's disk, and that in the
// supervisor's memory, whether or not the node is on. See [cluster.Nodes].
func (n nodes) Logs(ctx context.Context, node, program string, to io.Writer) error {
	if err := n.logs(ctx, node, program, to); err != nil {
		return fmt.Errorf("reading the log of %s on node %q in cluster %q: %w", program, node, n.h.state.Info.Name, err)
	}
	return nil
}

func (n nodes) logs(ctx context.Context, node, program string, to io.Writer) error {
	if !n.h.hasNode(node) {
		return cluster.ErrNoNode
	}
	root, err := os.Open(fmt.Sprintf("/proc/%d/root", n.h.state.Supervisor))
	if err != nil {
		return fmt.Errorf("reaching the supervisor's files: %w", err)
	}
	defer root.Close()
	if err := n.h.alive(); err != nil { // else that pid may be another's by now
		return err
	}
	folder, err := openWithin(root, filepath.Join(disksDir, node, "var/log"), unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer folder.Close()
	if program == "" || program != filepath.Base(program) {
		return fmt.Errorf("%q is not the name of a program: %w; there are %s", program, fs.ErrNotExist, logNames(folder))
	}
	log, err := openWithin(folder, program+logSuffix, unix.O_NONBLOCK)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; there are %s", fs.ErrNotExist, logNames(folder))
	}
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = io.Copy(to, reader{ctx, log})
	return err
}

// openWithin opens a path below a folder for reading. What a node or a pod on it
// has put there leads nowhere else: links are refused.
func openWithin(folder *os.File, path string, flags uint64) (*os.File, error) {
	fd, err := unix.Openat2(int(folder.Fd()), path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | flags,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "opening", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// logSuffix ends the name of every log.
const logSuffix = ".log"

// logNames lists the programs that have logs in a folder.
func logNames(folder *os.File) string {
	entries, _ := folder.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), logSuffix); ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none at all"
	}
	return strings.Join(names, ", ")
}

// reader reads until a context ends.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(b)
}

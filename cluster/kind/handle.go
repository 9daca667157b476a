package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"squall/cluster"
)

// handle is a cluster that is up.
type handle struct {
	state  state // as it was when the cluster was found
	folder string
	// keeper removes the cluster when this process ends; nil for a cluster that
	// somebody else answers for, or nobody.
	keeper *keep

	watching sync.Once
	done     chan struct{}
}

var _ cluster.Cluster = (*handle)(nil)

// now is the cluster's state as it is on the disk; of a cluster that is gone, as
// it was when it was found.
func (h *handle) now() state {
	if s, err := readState(h.folder); err == nil {
		return s
	}
	return h.state
}

// Info describes the cluster with the nodes that it has now. See
// [cluster.Cluster].
func (h *handle) Info() cluster.Info { return h.now().Info }

// Kubeconfig is an administrator's kubeconfig. See [cluster.Cluster].
func (h *handle) Kubeconfig() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(h.folder, kubeconfigFile))
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of cluster %q: %w", h.state.Info.Name, err)
	}
	return b, nil
}

// doneEvery is how often the end of a cluster is looked for; its state goes
// last.
const doneEvery = 100 * time.Millisecond

// Done is closed when the cluster is gone. The cluster is watched from the first
// call on. See [cluster.Cluster].
func (h *handle) Done() <-chan struct{} {
	h.watching.Do(func() {
		h.done = make(chan struct{})
		go func() {
			for {
				if _, err := os.Stat(filepath.Join(h.folder, stateFile)); errors.Is(err, os.ErrNotExist) {
					close(h.done)
					return
				}
				time.Sleep(doneEvery) // no file system everywhere announces it
			}
		}()
	})
	return h.done
}

// hasNode tells whether the cluster has a node of that name.
func (h *handle) hasNode(name string) bool {
	return slices.ContainsFunc(h.Info().Nodes, func(n cluster.Node) bool { return n.Name == name })
}

// container is the name of a node's container.
func (h *handle) container(node string) string { return containerName(h.state.Info.Name, node) }

// ask has this program answer a question in a node; see [answer].
func (h *handle) ask(ctx context.Context, node string, in io.Reader, out io.Writer, question ...string) error {
	args := []string{"exec", "--privileged", "--interactive", h.container(node), programsDir + "/" + askName}
	var complaint bytes.Buffer
	c := command(ctx, append(args, question...)...)
	c.Stdin, c.Stdout, c.Stderr = in, out, &complaint
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return dockerError(args, err, complaint.String())
	}
	return nil
}

// count asks a node for a number.
func (h *handle) count(ctx context.Context, node string, question ...string) (float64, error) {
	var out bytes.Buffer
	if err := h.ask(ctx, node, nil, &out, question...); err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(out.String()), 64)
}

// PodProcesses counts the processes of a pod, by their control groups. See
// [cluster.Cluster].
func (h *handle) PodProcesses(ctx context.Context, node, podUID string) (int, error) {
	n, err := h.count(ctx, node, "processes", podUID)
	if err != nil {
		return 0, fmt.Errorf("counting the processes of pod %s on %s: %w", podUID, node, err)
	}
	return int(n), nil
}

// usageDeadline bounds the question how much processor time a cluster has used.
const usageDeadline = 10 * time.Second

// CPUSeconds is the processor time of the nodes that are on. See
// [cluster.Cluster].
func (h *handle) CPUSeconds() (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), usageDeadline)
	defer cancel()
	containers, err := containersOf(ctx, h.state.Info.Name)
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of cluster %q: %w", h.state.Info.Name, err)
	}
	var all float64
	for _, n := range h.Info().Nodes {
		i := slices.IndexFunc(containers, func(c container) bool { return c.name() == h.container(n.Name) })
		if i < 0 || !containers[i].State.Running || containers[i].State.Paused {
			continue // it uses none now, and what it used is not known any more
		}
		used, err := h.count(ctx, n.Name, "cpu")
		if err != nil {
			return 0, fmt.Errorf("reading the processor time of node %s: %w", n.Name, err)
		}
		all += used
	}
	return all, nil
}

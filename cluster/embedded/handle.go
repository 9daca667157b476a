//go:build linux

package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// handle is a cluster that is up.
type handle struct {
	state  state
	folder string
	groups groups

	supervisor *os.File // a pidfd; it closes itself when nobody has the handle any more
	watching   sync.Once
	done       chan struct{}
}

var _ cluster.Cluster = (*handle)(nil)

// handle opens a cluster that is up.
func (p *Provider) handle(s state) (*handle, error) {
	g, err := findGroups()
	if err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(s.Supervisor, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the supervisor of cluster %q (pid %d): %w", s.Info.Name, s.Supervisor, err)
	}
	h := &handle{state: s, folder: p.folder(s.Info.Name), groups: g,
		supervisor: os.NewFile(uintptr(fd), "supervisor"), done: make(chan struct{})}
	// Since the state was read the supervisor may have ended and its pid have
	// been given to another process.
	if err := h.alive(); err != nil {
		h.supervisor.Close()
		return nil, err
	}
	return h, nil
}

// Info describes the cluster, with the nodes that it has now; of a cluster that
// is gone, as it was when it was found. See [cluster.Cluster].
func (h *handle) Info() cluster.Info {
	if now, err := readStateIn(h.folder); err == nil && now.Supervisor == h.state.Supervisor {
		return now.Info
	}
	return h.state.Info
}

// Done is closed when the cluster is gone. The cluster is watched from the first
// call on. See [cluster.Cluster].
func (h *handle) Done() <-chan struct{} {
	h.watching.Do(func() { go h.watch() })
	return h.done
}

// watch waits for the end of the cluster, however long that takes.
func (h *handle) watch() {
	if waitPidfd(context.Background(), int(h.supervisor.Fd())) == nil {
		close(h.done)
	}
	runtime.KeepAlive(h)
}

// Kubeconfig is an administrator's kubeconfig. See [cluster.Cluster].
func (h *handle) Kubeconfig() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(h.folder, kubeconfigFile))
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of cluster %q: %w", h.state.Info.Name, err)
	}
	return b, nil
}

// PodProcesses counts the processes in the control groups of a pod. See
// [cluster.Cluster].
func (h *handle) PodProcesses(_ context.Context, node, podUID string) (int, error) {
	root := filepath.Join(groupPrefix+h.state.Info.Name, node, "kubepods")
	if !h.groups.exists(root) {
		return 0, fmt.Errorf("counting the processes of pod %s on %s: the node is not there: it has no control group %s", podUID, node, root)
	}
	n := 0
	// kubelet's cgroupfs driver: kubepods[/burstable|/besteffort]/pod<uid>.
	for _, class := range []string{"", "burstable", "besteffort"} {
		pids, err := h.groups.processes(filepath.Join(root, class, "pod"+podUID))
		if err != nil {
			return 0, err
		}
		n += len(pids)
	}
	return n, nil
}

// CPUSeconds is the processor time of the whole cluster. See
// [cluster.Cluster].
func (h *handle) CPUSeconds() (float64, error) {
	used, err := h.groups.usage(groupPrefix + h.state.Info.Name)
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of cluster %q: %w", h.state.Info.Name, err)
	}
	return used.Seconds(), nil
}

// alive refuses a cluster that is gone. Its processes' ids may be others' then.
func (h *handle) alive() error {
	held, err := lockHeld(filepath.Join(h.folder, lockFile))
	if err != nil {
		return fmt.Errorf("looking whether cluster %q is up: %w", h.state.Info.Name, err)
	}
	if !held {
		return fmt.Errorf("the cluster %q is gone: %w", h.state.Info.Name, cluster.ErrNotFound)
	}
	return nil
}

// hasNode tells whether the cluster has a node of that name.
func (h *handle) hasNode(name string) bool {
	return slices.ContainsFunc(h.Info().Nodes, func(n cluster.Node) bool { return n.Name == name })
}

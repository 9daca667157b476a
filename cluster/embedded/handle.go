//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// handle is a cluster that is up.
type handle struct {
	state  state
	folder string
	hs     []hierarchy

	done  chan struct{}
	close func() // stops watching the cluster, which goes on
}

var _ cluster.Cluster = (*handle)(nil)

// handle opens a cluster that is up.
func (p *Provider) handle(s state) (*handle, error) {
	hs, err := hierarchies()
	if err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(s.Supervisor, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the supervisor of cluster %q (pid %d): %w", s.Info.Name, s.Supervisor, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &handle{state: s, folder: p.folder(s.Info.Name), hs: hs, done: make(chan struct{}), close: cancel}
	go func() {
		defer unix.Close(fd)
		if waitPidfd(ctx, fd) == nil {
			close(h.done)
		}
	}()
	return h, nil
}

// Info describes the cluster. See [cluster.Cluster].
func (h *handle) Info() cluster.Info { return h.state.Info }

// Done is closed when the cluster is gone. See [cluster.Cluster].
func (h *handle) Done() <-chan struct{} { return h.done }

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
	root, err := controllerDir(h.hs, "pids", filepath.Join(groupPrefix+h.state.Info.Name, node, "kubepods"))
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(root); err != nil {
		return 0, fmt.Errorf("counting the processes of pod %s on %s: the node is not there: %w", podUID, node, err)
	}
	n := 0
	// kubelet's cgroupfs driver: kubepods[/burstable|/besteffort]/pod<uid>.
	for _, class := range []string{"", "burstable", "besteffort"} {
		count, err := countProcesses(filepath.Join(root, class, "pod"+podUID))
		if err != nil {
			return 0, err
		}
		n += count
	}
	return n, nil
}

// CPUSeconds is the processor time of the whole cluster. See
// [cluster.Cluster].
func (h *handle) CPUSeconds() (float64, error) {
	dir, err := controllerDir(h.hs, "cpuacct", groupPrefix+h.state.Info.Name)
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
	if err != nil {
		return 0, fmt.Errorf("reading the cluster's processor time: %w", err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	if err != nil {
		return 0, fmt.Errorf("reading the cluster's processor time: %w", err)
	}
	return ns / 1e9, nil
}

// Exec runs a program on the client host: in its network and PID namespaces,
// so that it reaches what the node reaches and dies with it, but with the
// host's files, so that the program need not be in the cluster. See
// [cluster.Cluster].
func (h *handle) Exec(ctx context.Context, run cluster.Exec) error {
	if len(run.Argv) == 0 {
		return errors.New("running a program on the client host: no program named")
	}
	pid, err := nodePID(h.state.Supervisor, controlPlaneName)
	if err != nil {
		return fmt.Errorf("running %s on the client host: %w", run.Argv[0], err)
	}
	pipes, err := newPipes(run)
	if err != nil {
		return err
	}
	defer pipes.close()
	child, ended := onThread(func() (int, error) {
		if run.Urgent {
			beUrgent()
		}
		return forkInto(pid, run.Argv, pipes.theirs)
	})
	pipes.start()
	select {
	case err = <-ended:
	case <-ctx.Done():
		killSession(child)
		<-ended
		err = context.Cause(ctx)
	}
	pipes.drain()
	if err != nil {
		return fmt.Errorf("running %s on the client host: %w", run.Argv[0], err)
	}
	return nil
}

// forkInto starts a program from this thread in the network and PID namespaces
// of a process.
func forkInto(pid int, argv []string, files []uintptr) (int, error) {
	for _, ns := range []struct {
		file string
		kind int
	}{{"net", unix.CLONE_NEWNET}, {"pid", unix.CLONE_NEWPID}} {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, ns.file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("opening the node's %s namespace: %w", ns.file, err)
		}
		err = unix.Setns(fd, ns.kind)
		unix.Close(fd)
		if err != nil {
			return 0, fmt.Errorf("entering the node's %s namespace: %w", ns.file, err)
		}
	}
	child, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: files,
		// No Pdeathsig: its check for a parent that is dead already cannot see
		// a parent in another PID namespace. The program dies with the node.
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting it: %w", err)
	}
	return child, nil
}

// nodePID returns the host's pid of a node's PID 1: the supervisor's child that
// bears the node's name.
func nodePID(supervisor int, node string) (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	parent := fmt.Sprintf("PPid:\t%d\n", supervisor)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil || !strings.Contains(string(status), parent) {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && string(cmdline) == nodeName+"\x00"+node+"\x00" {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("the node %s is not running", node)
}

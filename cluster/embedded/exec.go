//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// Exec runs a program on a node: in its network and PID namespaces, so that it
// reaches what the node reaches and dies with it, but with the host's files, so
// that the program need not be in the cluster; inside, with all that is the
// node's. See [cluster.Cluster].
func (h *handle) Exec(ctx context.Context, run cluster.Exec) error {
	if len(run.Argv) == 0 {
		return errors.New("running a program on a node: no program named")
	}
	if run.Node == "" {
		run.Node = controlPlaneName
	}
	if err := h.exec(ctx, run); err != nil {
		return fmt.Errorf("running %s on node %q of cluster %q: %w", run.Argv[0], run.Node, h.state.Info.Name, err)
	}
	return nil
}

func (h *handle) exec(ctx context.Context, run cluster.Exec) error {
	into, err := h.entry(run)
	if err != nil {
		return err
	}
	defer into.close()
	pipes, err := newPipes(run)
	if err != nil {
		return err
	}
	defer pipes.close()
	child, ended := onThread(func() (int, error) {
		if run.Urgent {
			beUrgent()
		}
		return into.fork(run.Argv, pipes.theirs)
	})
	pipes.start()
	select {
	case err = <-ended:
	case <-ctx.Done():
		killSession(child)
		<-ended
		err = context.Cause(ctx)
	}
	if late := pipes.drain(ctx); err == nil {
		err = late
	}
	return err
}

// entry is what it takes to start a program on a node.
type entry struct {
	node *os.File // a pidfd of the node's PID 1
	// program is opened on the host, for inside there may be no such path, and
	// group is the node's control group; both only for inside.
	program *os.File
	group   string
}

// entry opens the way to a node.
func (h *handle) entry(run cluster.Exec) (*entry, error) {
	if !h.hasNode(run.Node) {
		return nil, cluster.ErrNoNode
	}
	pid, err := nodePID(h.state.Supervisor, run.Node)
	if err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the node's init (pid %d): %w", pid, err)
	}
	e := &entry{node: os.NewFile(uintptr(fd), "node")}
	// It may have ended since it was found, and its pid be another's.
	if !isNode(pid, h.state.Supervisor, run.Node) {
		e.close()
		return nil, errOff
	}
	if !run.Inside {
		return e, nil
	}
	e.group = filepath.Join(groupPrefix+h.state.Info.Name, run.Node)
	if e.program, err = os.Open(run.Argv[0]); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *entry) close() {
	e.node.Close()
	if e.program != nil {
		e.program.Close()
	}
}

// What the program [inside] is started with.
const (
	fdProgram = 3
	fdInit    = 4
)

// fork starts a program from this thread, which is of no use for anything else
// afterwards.
func (e *entry) fork(argv []string, files []uintptr) (int, error) {
	path := argv[0]
	into := unix.CLONE_NEWNET | unix.CLONE_NEWPID
	if e.program != nil {
		// The rest is entered by a program between: it must join the node's
		// control groups as a process, and from the host.
		path, argv = "/proc/self/exe", append([]string{insideName, e.group}, argv...)
		files = append(files, e.program.Fd(), e.node.Fd())
		into = unix.CLONE_NEWPID
	}
	if err := unix.Setns(int(e.node.Fd()), into); err != nil {
		return 0, fmt.Errorf("entering the node's namespaces: %w", err)
	}
	child, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
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

// inside becomes a program on a node: args name the node's control group and the
// program with its arguments. It is in the node's PID namespace already. The
// exec gives the whole new process this thread's namespaces.
func inside(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("got %d arguments, need a control group and a program", len(args))
	}
	runtime.LockOSThread()
	unix.CloseOnExec(fdProgram)
	unix.CloseOnExec(fdInit)
	g, err := findGroups()
	if err != nil {
		return err
	}
	if err := g.join(args[0]); err != nil {
		return err
	}
	// A thread changes its mount namespace only when it shares its root and
	// working folder with no other (setns(2)).
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leaving the other threads' root: %w", err)
	}
	const rest = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP
	if err := unix.Setns(fdInit, rest); err != nil {
		return fmt.Errorf("entering the node's namespaces: %w", err)
	}
	if err := syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", fdProgram), args[1:], os.Environ()); err != nil {
		return fmt.Errorf("becoming %s: %w", args[1], err)
	}
	return nil
}

// nodePID returns the host's pid of a node's PID 1: the supervisor's child that
// bears the node's name.
func nodePID(supervisor int, node string) (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && isNode(pid, supervisor, node) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process is the init of %s: %w", node, errOff)
}

// isNode tells whether a process is a node's PID 1.
func isNode(pid, supervisor int, node string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil || !strings.Contains(string(status), fmt.Sprintf("PPid:\t%d\n", supervisor)) {
		return false
	}
	cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	return err == nil && string(cmdline) == nodeName+"\x00"+node+"\x00"
}

//go:build linux

package embedded

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// reaper starts processes and collects every one that ends, its own and those
// that the kernel gives to a PID 1. os/exec cannot be used beside it: its Wait
// would race for the same statuses.
type reaper struct {
	mu      sync.Mutex
	waiters map[int]chan syscall.WaitStatus
}

// newReaper returns a reaper that collects from now on.
func newReaper() *reaper {
	r := &reaper{waiters: map[int]chan syscall.WaitStatus{}}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for range children {
			r.collect()
		}
	}()
	return r
}

// collect takes every status that there is.
func (r *reaper) collect() {
	for {
		var status syscall.WaitStatus
		r.mu.Lock() // so that a process cannot end before start knows its pid
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			r.mu.Unlock()
			continue
		}
		if err != nil || pid <= 0 {
			r.mu.Unlock()
			return
		}
		if c := r.waiters[pid]; c != nil {
			c <- status
			delete(r.waiters, pid)
		}
		r.mu.Unlock()
	}
}

// start starts a process. Its status arrives on the channel once it has ended.
func (r *reaper) start(path string, argv []string, attr *syscall.ProcAttr) (int, <-chan syscall.WaitStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	c := make(chan syscall.WaitStatus, 1)
	r.waiters[pid] = c
	return pid, c, nil
}

// signal signals a process that start started, unless it has ended: then its pid
// may be another's.
func (r *reaper) signal(pid int, s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiters[pid] != nil {
		_ = syscall.Kill(pid, s) // it is ours and not collected, so it is there
	}
}

// describeStatus says how a process ended.
func describeStatus(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + s.Signal().String()
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}

//go:build linux

package embedded

import (
	"errors"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// onThread starts a process from a thread of its own and waits for it there.
// The thread may change namespaces, and a process with a parent-death signal
// has a parent that lives as long as it: the thread is never given back to other
// goroutines. It returns the pid, 0 when the start failed, and a channel that
// gets the outcome once.
func onThread(start func() (int, error)) (int, <-chan error) {
	started := make(chan int, 1)
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		pid, err := start()
		started <- pid
		if err == nil {
			err = waitChild(pid)
		}
		ended <- err
	}()
	return <-started, ended
}

// beUrgent puts this thread, and so what it starts, before all ordinary
// processes. Niceness would not do: with autogroups it only counts within a
// session, and within a control group. A real-time process is held by the kernel
// to 95 % of the processor (sched(7)). Where the host refuses, the program runs
// like any other, and its own send lag tells.
func beUrgent() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0)
}

// waitChild waits for a child; any end but exit status 0 is an error.
func waitChild(pid int) error {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err == nil && status != 0 {
			return errors.New(describeStatus(status))
		}
		return err
	}
}

// killSession kills a child that leads a session of its own, and what it
// started.
func killSession(pid int) {
	if pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// killChild kills a child that was started, and does nothing for one that was
// not.
func killChild(pid int) {
	if pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

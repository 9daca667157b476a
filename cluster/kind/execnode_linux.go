package kind

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// programAttributes make a program lead a session and die with who started it.
func programAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// beUrgent puts this thread, and so what it starts, before all ordinary
// processes. Where the host refuses, the program runs like any other, and its own
// send lag tells.
func beUrgent() {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0)
}

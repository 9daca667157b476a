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
// processes. Control groups of version 1 may still refuse that, see [letUrgent];
// niceness then puts it before all else of the container, which is in one group.
// Where the host refuses that, too, the program runs like any other, and its own
// send lag tells.
func beUrgent() {
	err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0)
	if err != nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	}
}

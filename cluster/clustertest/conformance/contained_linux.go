package conformance

import (
	"os"
	"syscall"
)

// contained has the kernel kill the test program when this one dies, and, where
// the rights allow it, all that it started with it: the kubectls of its tests.
func contained() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		attr.Cloneflags = syscall.CLONE_NEWPID
	}
	return attr
}

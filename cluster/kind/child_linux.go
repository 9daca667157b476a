package kind

import (
	"runtime"
	"syscall"
)

// childAttributes make a child lead a process group and die with the thread that
// started it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// lockThread keeps this goroutine on its thread, and the thread alive.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

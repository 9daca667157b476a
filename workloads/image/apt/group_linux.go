package apt

import "syscall"

// ownGroup puts a command into a process group of its own, and has the kernel
// kill it when the thread that started it is gone.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills a command and what it started.
func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

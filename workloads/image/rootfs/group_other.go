//go:build !linux

package rootfs

import "syscall"

// ownGroup puts a command into a process group of its own.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// killGroup kills a command and what it started.
func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

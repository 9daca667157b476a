//go:build !linux

package kind

import "syscall"

// childAttributes make a child lead a process group.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// lockThread does nothing: only Linux ends a child with a thread.
func lockThread() (unlock func()) { return func() {} }

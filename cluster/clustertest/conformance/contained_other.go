//go:build !linux

package conformance

import "syscall"

// contained keeps the terminal's interrupts from the test program, which gets its
// own.
func contained() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

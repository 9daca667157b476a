package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sysResource is the bit of CAP_SYS_RESOURCE (linux/capability.h).
const sysResource = 1 << 24

// withholds tells whether the host keeps this process, and all that it starts,
// from having CAP_SYS_RESOURCE.
func withholds() bool {
	b, err := os.ReadFile("/proc/self/status")
	return err == nil && withheldIn(string(b))
}

// withheldIn reads the bounding set in a /proc/PID/status.
func withheldIn(status string) bool {
	for line := range strings.Lines(status) {
		if set, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return err == nil && bits&sysResource == 0
		}
	}
	return false
}

// identity is a process's id and when it started, in the kernel's ticks, which no
// later process of that id shares (proc(5), field 22 of stat); empty for none.
func identity(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in parentheses, may hold anything; after it comes field 3.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fmt.Sprintf("%d %s", pid, fields[19])
}

// programOf is the name of the program that a process runs; empty for none and
// for one that has ended and is not waited for yet.
func programOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(b), "\x00")
	if first == "" {
		return ""
	}
	return filepath.Base(first)
}

// processNamed is a process that runs a program of that name; 0 when none does.
func processNamed(name string) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && programOf(pid) == name {
			return pid
		}
	}
	return 0
}

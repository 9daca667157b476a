//go:build linux

package embedded

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack returns the memory that starting took: a part of a cluster starts as
// the whole program, whose packages set themselves up, and then uses little of
// it for as long as the cluster lives. Garbage goes back to the kernel; the
// program's read-only pages are let go of and come back from its file when they
// are needed. What the kernel refuses stays.
func giveBack() {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	program, err := elf.Open("/proc/self/exe") // the path may mean nothing in this mount namespace
	if err != nil {
		return
	}
	fixed := program.Type == elf.ET_EXEC
	program.Close()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if !isInFile(fields, exe, fixed) {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err == nil {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// isInFile tells whether a mapping holds what the program's file holds. Fields
// are those of proc_pid_maps(5): from-to permissions offset device inode path.
// Code does. Read-only data does in a program with fixed addresses; in a
// position-independent one it has addresses that were written at the start.
func isInFile(fields []string, exe string, fixed bool) bool {
	return len(fields) == 6 && fields[5] == exe && (fields[1] == "r-xp" || fixed && fields[1] == "r--p")
}

//go:build linux

package embedded

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack returns the memory that starting took: a part of a cluster starts as
// the whole program, whose packages set themselves up, and then uses little of
// it for as long as the cluster lives. Garbage goes back to the kernel; the
// program's code is let go of and comes back from its file when it is needed. What
// the kernel refuses stays.
func giveBack() {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if !isCode(fields, exe) {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err == nil {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// isCode tells whether a mapping holds the code of a program. Fields are those of
// proc_pid_maps(5): from-to permissions offset device inode path. Read-only data
// will not do: in a position-independent program it has addresses that were
// written at the start, and the file has none.
func isCode(fields []string, exe string) bool {
	return len(fields) == 6 && fields[5] == exe && fields[1] == "r-xp"
}

//go:build linux

package embedded

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// part is a process that is a part of a cluster.
type part struct {
	pid, parent int
	name        string // its argv[0], one of those in main.go that have a fixed parent
}

// pids lists the processes that /proc shows.
func pids() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var found []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			found = append(found, pid)
		}
	}
	return found, nil
}

// procFile is a process's file in /proc.
func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// readPart tells whether a process is a part of a cluster: it must bear the name
// of one and run a program that was built from this module. Anybody can choose
// a name; nothing else is built from here. A zombie is nothing any more.
func readPart(pid int) (part, bool) {
	cmdline, err := os.ReadFile(procFile(pid, "cmdline"))
	name, _, _ := strings.Cut(string(cmdline), "\x00")
	if err != nil || !slices.Contains([]string{janitorName, enterName, supervisorName, nodeName, imagesName, probeName}, name) {
		return part{}, false
	}
	if !ourProgram(pid) {
		return part{}, false
	}
	// proc_pid_stat(5): pid (comm) state ppid …
	stat, err := os.ReadFile(procFile(pid, "stat"))
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) < 2 || fields[0] == "Z" {
		return part{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	return part{pid: pid, parent: parent, name: name}, err == nil
}

// ourProgram tells whether a process runs a program of this module.
func ourProgram(pid int) bool {
	own, ok := debug.ReadBuildInfo()
	theirs, err := buildinfo.ReadFile(procFile(pid, "exe"))
	return ok && err == nil && theirs.Main.Path == own.Main.Path
}

// verbRuns tells whether a command of ours runs that has this word among its
// arguments, another than this one. No word is never run.
func verbRuns(word string) (bool, error) {
	if word == "" {
		return false, nil
	}
	all, err := pids()
	if err != nil {
		return false, err
	}
	for _, pid := range all {
		cmdline, _ := os.ReadFile(procFile(pid, "cmdline"))
		if pid != os.Getpid() && bytes.Contains(cmdline, []byte("\x00"+word+"\x00")) && ourProgram(pid) {
			return true, nil
		}
	}
	return false, nil
}

// orphaned tells whether a part of a cluster has no cluster any more. A janitor
// is its cluster as long as its lock is in its place. All others die with the
// process that started them, so one whose parent is not ours has escaped.
func (pt part) orphaned() bool {
	if pt.name != janitorName {
		return !ourProgram(pt.parent)
	}
	fds, err := os.ReadDir(procFile(pt.pid, "fd"))
	if err != nil {
		return false
	}
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(procFile(pt.pid, "fd"), fd.Name()))
		if err == nil && strings.HasSuffix(target, "/"+lockFile+" (deleted)") {
			return true
		}
	}
	return false
}

// orphans finds parts of clusters that run on without a cluster.
func (p *Provider) orphans() ([]leftover, error) {
	all, err := pids()
	if err != nil {
		return nil, err
	}
	living := p.livingParts()
	var found []leftover
	for _, pid := range all {
		pt, ok := readPart(pid)
		if !ok || living[pid] || !pt.orphaned() {
			continue
		}
		found = append(found, leftover{
			what:   fmt.Sprintf("the process %d, a %s without a cluster", pid, pt.name),
			remove: pt.end,
		})
	}
	return found, nil
}

// livingParts are the janitors and supervisors of clusters that live, as their
// state tells: whatever else is found out about them, these are no orphans.
func (p *Provider) livingParts() map[int]bool {
	living := map[int]bool{}
	folders, _ := os.ReadDir(filepath.Join(p.run, "clusters"))
	for _, f := range folders {
		if s, err := p.readState(f.Name()); err == nil {
			living[s.Janitor], living[s.Supervisor] = true, true
		}
	}
	return living
}

// endGrace is how long a janitor may take to end its cluster when it is asked.
const endGrace = 5 * time.Second

// end ends an orphan. It is held by a pidfd before it is looked at again, so no
// other process can get the signal.
func (pt part) end(ctx context.Context) error {
	fd, err := unix.PidfdOpen(pt.pid, 0)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	defer unix.Close(fd)
	if again, ok := readPart(pt.pid); !ok || again != pt || !again.orphaned() {
		return nil // it has ended
	}
	if pt.name == janitorName {
		grace, cancel := context.WithTimeout(ctx, endGrace)
		defer cancel()
		_ = unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
		if waitPidfd(grace, fd) == nil {
			return nil
		}
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("killing it: %w", err)
	}
	return waitPidfd(ctx, fd)
}

// mentioned tells which of some paths a process has open, works in, or was
// started with a mention of.
func mentioned(paths []string) (map[string]bool, error) {
	all, err := pids()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, pid := range all {
		said := mentions(pid)
		for _, path := range paths {
			used[path] = used[path] || bytes.Contains(said, []byte(path))
		}
	}
	return used, nil
}

// mentions is all that a process says of paths: its arguments, its environment,
// where it is and what it has open. A process that has ended says nothing.
func mentions(pid int) []byte {
	var said []byte
	for _, name := range []string{"cmdline", "environ"} {
		b, _ := os.ReadFile(procFile(pid, name))
		said = append(append(said, b...), 0)
	}
	links := []string{procFile(pid, "cwd")}
	fds, _ := os.ReadDir(procFile(pid, "fd"))
	for _, fd := range fds {
		links = append(links, filepath.Join(procFile(pid, "fd"), fd.Name()))
	}
	for _, link := range links {
		target, _ := os.Readlink(link)
		said = append(append(said, target...), 0)
	}
	return said
}

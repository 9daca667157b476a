package kind

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Control groups of version 1 keep real-time processes out of a group that was
// not given a share of such time, and engines give their containers none
// (the kernel's Documentation/scheduler/sched-rt-group.rst). A program that
// keeps time then waits behind all that the cluster does: niceness counts only
// within the container. So where this process may, it moves the program to the
// top of the processor's hierarchy, before it starts to count. The group is all
// that changes: its namespaces, and its end with the container, stay.

// findingTime bounds the search for a program in a container; the engine may be
// on another machine.
const findingTime = 2 * time.Second

// letUrgent lets a program of a node be real-time, when only its control group
// keeps it from that and this host's root asks. The program is found by its last
// argument, which no other has. What cannot be done is no error: the program's
// own send lag tells.
func letUrgent(ctx context.Context, argument string) {
	top := realTimeTop()
	if os.Geteuid() != 0 || top == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, findingTime)
	defer cancel()
	for ctx.Err() == nil {
		if pid := runsWith(execName, argument); pid != 0 {
			_ = os.WriteFile(filepath.Join(top, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// realTimeTop is the top of the processor's control groups of version 1, where
// they share out real-time; empty where they do not.
func realTimeTop() string {
	for _, name := range []string{"cpu", "cpu,cpuacct"} {
		top := filepath.Join("/sys/fs/cgroup", name)
		if _, err := os.Stat(filepath.Join(top, "cpu.rt_runtime_us")); err == nil {
			return top
		}
	}
	return ""
}

// runsWith is a process whose program is called that and whose last argument is
// that; 0 when there is none.
func runsWith(program, argument string) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !bytes.HasSuffix(b, []byte("\x00"+argument+"\x00")) {
			continue
		}
		if first, _, _ := strings.Cut(string(b), "\x00"); filepath.Base(first) == program {
			return pid
		}
	}
	return 0
}

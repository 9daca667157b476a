//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// make makes a group, and what it needs above it.
func (g groups) make(path string) error {
	if g.Version == 1 {
		return g.makeFirst(path)
	}
	return g.makeSecond(path)
}

// limit holds a group to a number of cores and of bytes; zero is no limit.
func (g groups) limit(path string, cores, memory int64) error {
	if g.Version == 1 {
		return g.limitFirst(path, cores, memory)
	}
	return g.limitSecond(path, cores, memory)
}

// usage is the processor time that a group and those below it have used.
func (g groups) usage(path string) (time.Duration, error) {
	if g.Version == 1 {
		return g.usageFirst(path)
	}
	return g.usageSecond(path)
}

// inside is what the supervisor and the nodes see: there version 2 is where
// kubelet and runc look for it, wherever the host has it.
func (g groups) inside() groups {
	if g.Version == 2 {
		g.Hierarchies = []hierarchy{{Dir: "/sys/fs/cgroup"}}
	}
	return g
}

// processesBelow lists the processes of a group's folder and of those below it.
func processesBelow(dir string) ([]int, error) {
	dirs, err := groupsBelow(dir)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, d := range dirs {
		b, err := os.ReadFile(filepath.Join(d, "cgroup.procs"))
		if err != nil && !gone(err) {
			return nil, fmt.Errorf("listing the processes of a control group: %w", err)
		}
		for word := range strings.FieldsSeq(string(b)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("listing the processes of the control group %s: %w", d, err)
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

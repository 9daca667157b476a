//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"squall/cluster"
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

// freeze stops every process of a group and of those below it where it stands,
// or lets them go on. The kernel does it in the background; [groups.frozen] says
// when it is done. Frozen processes can be killed. On version 1 they cannot, so
// there it is refused: use SIGSTOP on [groups.processes].
func (g groups) freeze(path string, on bool) error {
	if g.Version == 1 {
		return fmt.Errorf("freezing the control group %s: cgroup v1 cannot kill what is frozen: %w", path, cluster.ErrUnsupported)
	}
	value := "0"
	if on {
		value = "1"
	}
	file := filepath.Join(g.Hierarchies[0].Dir, path, "cgroup.freeze")
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
		return fmt.Errorf("freezing a control group: writing %s to %s: %w", value, file, err)
	}
	return nil
}

// frozen tells whether every process of a group stands still. It is false on
// version 1, where none is frozen.
func (g groups) frozen(path string) (bool, error) {
	if g.Version == 1 {
		return false, nil
	}
	value, err := readField(filepath.Join(g.Hierarchies[0].Dir, path, "cgroup.events"), "frozen")
	if err != nil {
		return false, fmt.Errorf("asking whether a control group is frozen: %w", err)
	}
	return value == 1, nil
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

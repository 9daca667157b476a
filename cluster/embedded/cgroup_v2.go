//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// secondControllers are the version 2 controllers that a cluster's groups get as
// far as the host has them: those that kubelet uses
// (pkg/kubelet/cm/cgroup_v2_manager_linux.go, getSupportedUnifiedControllers),
// and io, which cAdvisor reads.
func secondControllers() []string {
	return []string{"cpu", "cpuset", "memory", "pids", "hugetlb", "io"}
}

// readControllers learns which controllers the topmost group can hand on.
func (g *groups) readControllers() error {
	has, err := readWords(filepath.Join(g.Hierarchies[0].Dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("finding the controllers of cgroup v2: %w", err)
	}
	g.Controllers = nil
	for _, c := range secondControllers() {
		if slices.Contains(has, c) {
			g.Controllers = append(g.Controllers, c)
		}
	}
	return nil
}

// readWords returns what a file of the kernel's lists.
func readWords(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

// makeSecond makes a group of version 2 and has every group above it hand its
// controllers on.
func (g groups) makeSecond(path string) error {
	dir := g.Hierarchies[0].Dir
	for name := range strings.SplitSeq(path, "/") {
		if err := g.handOn(dir); err != nil {
			return err
		}
		dir = filepath.Join(dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the control group %s: %w", dir, err)
		}
	}
	return nil
}

// handOn lets the groups below a folder have the controllers. What they have
// already is not asked for again: the write would be refused for nothing where
// the topmost group is somebody else's.
func (g groups) handOn(dir string) error {
	file := filepath.Join(dir, "cgroup.subtree_control")
	has, err := readWords(file)
	if err != nil {
		return fmt.Errorf("reading which controllers %s hands on: %w", dir, err)
	}
	var want []string
	for _, c := range g.Controllers {
		if !slices.Contains(has, c) {
			want = append(want, "+"+c)
		}
	}
	if len(want) == 0 {
		return nil
	}
	err = os.WriteFile(file, []byte(strings.Join(want, " ")), 0o644)
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("the control group %s has processes of its own, so it cannot hand on the controllers %s: move them with %q: %w",
			dir, strings.Join(want, " "), leaveTop(dir), err)
	}
	if err != nil {
		return fmt.Errorf("handing on the controllers %s from the control group %s: %w", strings.Join(want, " "), dir, err)
	}
	return nil
}

// leaveTop is the command that moves the processes of a group to a leaf, as
// containers with nested control groups do.
func leaveTop(dir string) string {
	return fmt.Sprintf("mkdir -p %[1]s/init && xargs -rn1 < %[1]s/cgroup.procs > %[1]s/init/cgroup.procs", dir)
}

// blocked tells what to do about a topmost group that cannot hand controllers
// on: it is not the kernel's own root, which is exempt, and has processes. That
// is so in a container. It is empty when nothing is in the way.
func (g groups) blocked() string {
	if g.Version == 1 {
		return ""
	}
	top := g.Hierarchies[0].Dir
	if unix.Access(top, unix.W_OK) != nil {
		return "the control groups are read-only: mount -o remount,rw " + top
	}
	if _, err := os.Stat(filepath.Join(top, "cgroup.type")); err != nil {
		return "" // the kernel's root has no type
	}
	has, _ := readWords(filepath.Join(top, "cgroup.subtree_control"))
	procs, _ := readWords(filepath.Join(top, "cgroup.procs"))
	lacks := slices.ContainsFunc(g.Controllers, func(c string) bool { return !slices.Contains(has, c) })
	if len(procs) == 0 || !lacks {
		return ""
	}
	return "processes in the topmost control group are in the way of its controllers: " + leaveTop(top)
}

// limitSecond is limit for version 2.
func (g groups) limitSecond(path string, cores, memory int64) error {
	dir := filepath.Join(g.Hierarchies[0].Dir, path)
	if cores > 0 {
		if err := writeLimit(filepath.Join(dir, "cpu.max"), fmt.Sprintf("%d %d", cores*cpuPeriod, cpuPeriod)); err != nil {
			return err
		}
	}
	if memory > 0 {
		return writeLimit(filepath.Join(dir, "memory.max"), strconv.FormatInt(memory, 10))
	}
	return nil
}

// usageSecond is usage for version 2.
func (g groups) usageSecond(path string) (time.Duration, error) {
	value, err := readField(filepath.Join(g.Hierarchies[0].Dir, path, "cpu.stat"), "usage_usec")
	if err != nil {
		return 0, fmt.Errorf("reading a control group's processor time: %w", err)
	}
	return time.Duration(value) * time.Microsecond, nil
}

// readField returns a number from a file of lines "name number".
func readField(path, name string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s does not tell %s", path, name)
}

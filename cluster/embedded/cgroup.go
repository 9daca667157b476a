//go:build linux

package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchy is one mounted cgroup v1 hierarchy.
type hierarchy struct {
	Dir     string // mount point, for example /sys/fs/cgroup/cpu
	Options string // what mounts the same hierarchy again, for example "cpu"
}

// groupPrefix begins the name of every group that Squall makes on a host, so
// that a sweep knows its own.
const groupPrefix = "squall."

// hierarchies returns the host's cgroup v1 hierarchies.
func hierarchies() ([]hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("finding the control groups: %w", err)
	}
	defer f.Close()
	var hs []hierarchy
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if h, ok := parseHierarchy(lines.Text()); ok {
			hs = append(hs, h)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("finding the control groups: %w", err)
	}
	return hs, nil
}

// parseHierarchy reads a line of mountinfo (proc(5)): the fields after the
// separator "-" are type, source and the options of the superblock, which for
// cgroup v1 name the controllers.
func parseHierarchy(line string) (hierarchy, bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 5 || len(right) < 3 || right[0] != "cgroup" {
		return hierarchy{}, false
	}
	var options []string
	for _, o := range strings.Split(right[2], ",") {
		switch {
		case o == "rw", o == "ro", o == "xattr", o == "clone_children", strings.HasPrefix(o, "release_agent="):
		case strings.HasPrefix(o, "name="):
			options = append(options, "none", o)
		default:
			options = append(options, o)
		}
	}
	return hierarchy{Dir: left[4], Options: strings.Join(options, ",")}, true
}

// makeGroup makes a group in every hierarchy. A new cpuset group is empty and
// admits no process, so it gets what its parent has.
func makeGroup(hs []hierarchy, path string) error {
	for _, h := range hs {
		dir := filepath.Join(h.Dir, path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the control group %s: %w", dir, err)
		}
		if !slices.Contains(strings.Split(h.Options, ","), "cpuset") {
			continue
		}
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
			}
			if err != nil {
				return fmt.Errorf("giving the control group %s its processors: %w", dir, err)
			}
		}
	}
	return nil
}

// joinGroup moves the calling process into a group in every hierarchy.
func joinGroup(hs []hierarchy, path string) error {
	for _, h := range hs {
		file := filepath.Join(h.Dir, path, "cgroup.procs")
		if err := os.WriteFile(file, []byte("0"), 0o644); err != nil {
			return fmt.Errorf("joining the control group %s: %w", filepath.Dir(file), err)
		}
	}
	return nil
}

// limitGroup holds a group to a number of cores and of bytes; zero is no limit.
func limitGroup(hs []hierarchy, path string, cores, memory int64) error {
	const period = 100_000 // µs, the kernel's default
	set := func(controller, file string, value int64) error {
		for _, h := range hs {
			if !slices.Contains(strings.Split(h.Options, ","), controller) {
				continue
			}
			file := filepath.Join(h.Dir, path, file)
			if err := os.WriteFile(file, []byte(strconv.FormatInt(value, 10)), 0o644); err != nil {
				return fmt.Errorf("limiting the control group: writing %d to %s: %w", value, file, err)
			}
		}
		return nil
	}
	if cores > 0 {
		if err := errors.Join(set("cpu", "cpu.cfs_period_us", period), set("cpu", "cpu.cfs_quota_us", cores*period)); err != nil {
			return err
		}
	}
	if memory > 0 {
		return set("memory", "memory.limit_in_bytes", memory)
	}
	return nil
}

// removeGroup removes a group and all groups below it from every hierarchy,
// deepest first. The kernel refuses while a process that was just killed is
// still on its way out, so it tries again until ctx ends.
func removeGroup(ctx context.Context, hs []hierarchy, path string) error {
	for _, h := range hs {
		dirs, err := groupsBelow(filepath.Join(h.Dir, path))
		if err != nil {
			return err
		}
		for _, dir := range slices.Backward(dirs) {
			if err := removeDir(ctx, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupsBelow lists a group and those below it, parents first.
func groupsBelow(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil // removed while we walked
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing control groups: %w", err)
	}
	return dirs, nil
}

// removeDir removes one group, waiting while it is busy.
func removeDir(ctx context.Context, dir string) error {
	for {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("removing the control group %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			return fmt.Errorf("removing the control group %s: still busy, processes %q: %w", dir, strings.Fields(string(procs)), context.Cause(ctx))
		case <-time.After(2 * time.Millisecond): // the kernel tells nobody when a group falls empty
		}
	}
}

// countProcesses counts the processes in a group and in those below it.
func countProcesses(dir string) (int, error) {
	dirs, err := groupsBelow(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range dirs {
		b, err := os.ReadFile(filepath.Join(d, "cgroup.procs"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV) {
			return 0, fmt.Errorf("counting processes: %w", err)
		}
		n += len(strings.Fields(string(b)))
	}
	return n, nil
}

// controllerDir is the folder of a group in the hierarchy of one controller.
func controllerDir(hs []hierarchy, controller, path string) (string, error) {
	for _, h := range hs {
		if slices.Contains(strings.Split(h.Options, ","), controller) {
			return filepath.Join(h.Dir, path), nil
		}
	}
	return "", fmt.Errorf("the host has no cgroup v1 controller %q", controller)
}

//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// remountOptions are the options of a version 1 superblock that mount the same
// hierarchy again: its controllers, or its name when it has none.
func remountOptions(superblock string) string {
	var options []string
	for o := range strings.SplitSeq(superblock, ",") {
		switch {
		case o == "rw", o == "ro", o == "xattr", o == "noprefix", o == "clone_children", o == "cpuset_v2_mode",
			strings.HasPrefix(o, "release_agent="):
		case strings.HasPrefix(o, "name="):
			options = append(options, "none", o)
		default:
			options = append(options, o)
		}
	}
	return strings.Join(options, ",")
}

// makeFirst makes a group, and those above it, in every hierarchy of version 1.
func (g groups) makeFirst(path string) error {
	for _, h := range g.Hierarchies {
		dir := h.Dir
		for name := range strings.SplitSeq(path, "/") {
			dir = filepath.Join(dir, name)
			if err := h.makeGroup(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeGroup makes one group of version 1, ready for processes.
func (h hierarchy) makeGroup(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the control group %s: %w", dir, err)
	}
	if !h.has("cpuset") {
		return nil
	}
	return inheritProcessors(dir)
}

// inheritProcessors gives a new cpuset group, which is empty and admits no
// process, what the one above it has.
func inheritProcessors(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			return fmt.Errorf("giving the control group %s its processors: %w", dir, err)
		}
	}
	return nil
}

// cpuPeriod is the kernel's default period of processor limits, in µs, in both
// versions.
const cpuPeriod = 100_000

// limitFirst is limit for version 1.
func (g groups) limitFirst(path string, cores, memory int64) error {
	set := func(controller, file string, value int64) error {
		dir, err := g.controllerDir(controller, path)
		if err != nil {
			return err
		}
		return writeLimit(filepath.Join(dir, file), strconv.FormatInt(value, 10))
	}
	if cores > 0 {
		if err := errors.Join(set("cpu", "cpu.cfs_period_us", cpuPeriod), set("cpu", "cpu.cfs_quota_us", cores*cpuPeriod)); err != nil {
			return err
		}
	}
	if memory > 0 {
		return set("memory", "memory.limit_in_bytes", memory)
	}
	return nil
}

func writeLimit(file, value string) error {
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
		return fmt.Errorf("limiting the control group: writing %q to %s: %w", value, file, err)
	}
	return nil
}

// usageFirst is usage for version 1.
func (g groups) usageFirst(path string) (time.Duration, error) {
	dir, err := g.controllerDir("cpuacct", path)
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
	if err != nil {
		return 0, fmt.Errorf("reading a control group's processor time: %w", err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading a control group's processor time: %w", err)
	}
	return time.Duration(ns), nil
}

// controllerDir is the folder of a group in the version 1 hierarchy of one
// controller.
func (g groups) controllerDir(controller, path string) (string, error) {
	for _, h := range g.Hierarchies {
		if h.has(controller) {
			return filepath.Join(h.Dir, path), nil
		}
	}
	return "", fmt.Errorf("the host has no cgroup v1 controller %q", controller)
}

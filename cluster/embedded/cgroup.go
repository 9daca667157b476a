//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"squall/cluster"
)

// groupPrefix begins the name of every group that Squall makes on a host, so
// that a sweep knows its own.
const groupPrefix = "squall."

// groups are the control groups of a machine, of either version, as the process
// that found them sees them. Paths are relative to what it sees as the root:
// "squall.demo/worker-1" on the host, "worker-1" for that cluster's supervisor.
//
// Version 2 was *not run here*: the operations on processes were tried on a
// real hierarchy without controllers, all else on recorded files only.
type groups struct {
	// Version is that of the kernel's interface, 1 or 2. A host with both
	// counts as what has the controllers.
	Version int
	// Hierarchies are all that is mounted for version 1, and one for version 2.
	Hierarchies []hierarchy
	// Controllers are those that groups get on version 2; on version 1 the
	// hierarchies name them.
	Controllers []string
}

// hierarchy is one mounted hierarchy of control groups.
type hierarchy struct {
	Dir     string // mount point, for example /sys/fs/cgroup/cpu
	Options string // what mounts the same hierarchy again, for example "cpu"; empty for version 2
}

// has tells whether a version 1 hierarchy has a controller.
func (h hierarchy) has(controller string) bool {
	return slices.Contains(strings.Split(h.Options, ","), controller)
}

// findGroups returns the control groups as this process sees them.
func findGroups() (groups, error) {
	lines, err := mountLines()
	if err != nil {
		return groups{}, fmt.Errorf("finding the control groups: %w", err)
	}
	g := parseGroups(lines)
	if g.Version == 0 {
		return groups{}, errors.New("finding the control groups: none are mounted below /sys/fs/cgroup; " + mountGroups)
	}
	if g.Version == 2 {
		err = g.readControllers()
	}
	return g, err
}

// mountGroups is the command that mounts control groups where there are none.
const mountGroups = "mount -t cgroup2 cgroup2 /sys/fs/cgroup"

// parseGroups reads the lines of a mountinfo. A hybrid host, with version 1 and
// an empty version 2 beside it, is a version 1 host.
func parseGroups(lines []string) groups {
	var first []hierarchy
	var second []hierarchy
	controllers := false
	for _, line := range lines {
		h, version := parseHierarchy(line)
		switch {
		case version == 2:
			second = append(second, h)
		case version == 1 && !slices.ContainsFunc(first, func(o hierarchy) bool { return o.Options == h.Options }):
			first = append(first, h) // mounted elsewhere too it is still one hierarchy
			controllers = controllers || !h.has("none")
		}
	}
	switch {
	case controllers:
		return groups{Version: 1, Hierarchies: first}
	case len(second) > 0:
		return groups{Version: 2, Hierarchies: second[:1]}
	}
	return groups{}
}

// parseHierarchy reads a line of mountinfo (proc(5)): the fields after the
// separator "-" are type, source and the options of the superblock, which for
// version 1 name the controllers. The version is 0 for other file systems.
func parseHierarchy(line string) (h hierarchy, version int) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 5 || len(right) < 3 {
		return hierarchy{}, 0
	}
	switch right[0] {
	case "cgroup":
		return hierarchy{Dir: plainPath(left[4]), Options: remountOptions(right[2])}, 1
	case "cgroup2":
		return hierarchy{Dir: plainPath(left[4])}, 2
	}
	return hierarchy{}, 0
}

// join moves the calling process into a group.
func (g groups) join(path string) error {
	for _, h := range g.Hierarchies {
		if err := joinDir(g.seat(filepath.Join(h.Dir, path))); err != nil {
			return err
		}
	}
	return nil
}

// joinDir moves the calling process into the group with this folder.
func joinDir(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return fmt.Errorf("joining the control group %s: %w", dir, err)
	}
	return nil
}

// remove removes a group and all groups below it, deepest first. The kernel
// refuses while a process that was just killed is still on its way out, so it
// tries again until ctx ends.
func (g groups) remove(ctx context.Context, path string) error {
	for _, h := range g.Hierarchies {
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

// processes lists the processes in a group and in those below it, each once, by
// the pids that the caller's /proc knows them by. A group that is not there has
// none.
func (g groups) processes(path string) ([]int, error) {
	var pids []int
	// A process can have left some hierarchies of version 1 and not others.
	for _, h := range g.Hierarchies {
		more, err := processesBelow(filepath.Join(h.Dir, path))
		if err != nil {
			return nil, err
		}
		pids = append(pids, more...)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// exists tells whether a group is there.
func (g groups) exists(path string) bool {
	return slices.ContainsFunc(g.Hierarchies, func(h hierarchy) bool {
		_, err := os.Stat(filepath.Join(h.Dir, path))
		return err == nil
	})
}

// ours lists the names of the clusters of which there are groups. What no
// cluster can be called is somebody else's: systemd has squall.slice for who
// runs something in a slice of that name.
func (g groups) ours() ([]string, error) {
	var names []string
	for _, h := range g.Hierarchies {
		entries, err := os.ReadDir(h.Dir)
		if err != nil {
			return nil, fmt.Errorf("listing control groups: %w", err)
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), groupPrefix)
			if ok && e.IsDir() && cluster.CheckName(name) == nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// gone tells whether an error says that a group went while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV)
}

// groupsBelow lists a group and those below it, parents first.
func groupsBelow(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if gone(err) {
			return nil
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

// needed names the controllers without which no cluster can be. Version 1:
// those that kubelet demands (pkg/kubelet/cm/container_manager_linux.go,
// validateSystemRequirements) and those that runc, pods' limits and Squall use.
func (g groups) needed() []string {
	if g.Version == 1 {
		return []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"}
	}
	return []string{"cpu", "cpuset", "memory", "pids"}
}

// missing names the needed controllers that the host lacks.
func (g groups) missing() []string {
	var missing []string
	for _, c := range g.needed() {
		has := slices.Contains(g.Controllers, c) ||
			slices.ContainsFunc(g.Hierarchies, func(h hierarchy) bool { return h.has(c) })
		if !has {
			missing = append(missing, c)
		}
	}
	return missing
}

// fact says whether clusters can have groups here.
func (g groups) fact() Fact {
	f := Fact{What: fmt.Sprintf("cgroup v%d with the controllers %s", g.Version, strings.Join(g.needed(), ", "))}
	missing := strings.Join(g.missing(), ", ")
	blocked := g.blocked()
	switch {
	case missing == "" && blocked == "":
		f.OK = true
	case missing == "":
		f.Way = blocked
	case g.Version == 1:
		f.Way = fmt.Sprintf("%s not there: mount what the kernel has (mkdir -p /sys/fs/cgroup/NAME && mount -t cgroup -o NAME cgroup /sys/fs/cgroup/NAME); cgroup_disable= on the kernel's command line hides them", missing)
	default:
		f.Way = fmt.Sprintf("%s not there: in a systemd service or session set Delegate=yes, in a container start it with all controllers; cgroup_disable= on the kernel's command line hides them, and a mounted cgroup v1 holds them back", missing)
	}
	return f
}

//go:build linux

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Fact is one thing that embedded clusters need of the host.
type Fact struct {
	What string // what is needed
	OK   bool
	Way  string // how to get it when it is not there
}

// packages are the programs that clusters take from the host, and the Debian
// package of each. kube-proxy calls nft, kubelet calls mount, containerd's shim
// calls runc.
var packages = [][2]string{
	{"nft", "nftables"}, {"conntrack", "conntrack"}, {"runc", "runc"}, {"iptables", "iptables"},
	{"mount", "mount"}, {"ip", "iproute2"},
}

// PackagesLine is the command that installs what is needed on Debian.
func PackagesLine() string {
	names := make([]string, len(packages))
	for i, p := range packages {
		names[i] = p[1]
	}
	return "apt-get install -y " + strings.Join(names, " ")
}

// Facts says what embedded clusters need and whether this host has it. The disk
// that is looked at is the one that holds the cache folder.
func Facts(cache string) []Fact {
	facts := []Fact{{
		What: "root",
		OK:   os.Geteuid() == 0,
		Way:  "run the same command with sudo",
	}}
	hs, err := hierarchies()
	facts = append(facts, Fact{
		What: "cgroup v1 controllers cpu, cpuacct, cpuset, memory, devices, freezer, blkio and pids",
		OK:   err == nil && missingControllers(hs) == "",
		Way:  "this host lacks " + missingControllers(hs) + "; embedded clusters do not work on hosts with cgroup v2 only yet: boot with systemd.unified_cgroup_hierarchy=0",
	})
	for _, fs := range []string{"overlay", "tmpfs", "proc", "sysfs"} {
		facts = append(facts, Fact{What: "file system " + fs, OK: kernelHas(fs), Way: "modprobe " + fs})
	}
	for _, p := range packages {
		_, err := exec.LookPath(p[0])
		facts = append(facts, Fact{What: "program " + p[0], OK: err == nil, Way: PackagesLine()})
	}
	return append(facts, room(cache)...)
}

// room says whether memory and disk have enough that is free. What cannot be
// read is left out.
func room(cache string) []Fact {
	var facts []Fact
	add := func(what string, share float64, way string) {
		facts = append(facts, Fact{
			What: fmt.Sprintf("%.0f %% of the %s free (%.0f %% are)", leastFree*100, what, share*100),
			OK:   share >= leastFree,
			Way:  way,
		})
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		add("memory", meminfo(b, "MemAvailable")/meminfo(b, "MemTotal"), "end what uses it")
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(existing(cache), &disk); err == nil {
		add("disk under "+cache, freeShare(disk), "remove what is not needed, or name another folder with --cache")
	}
	return facts
}

// missingControllers names the controllers that the host lacks.
func missingControllers(hs []hierarchy) string {
	var missing []string
	for _, c := range []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"} {
		if _, err := controllerDir(hs, c, ""); err != nil {
			missing = append(missing, c)
		}
	}
	return strings.Join(missing, ", ")
}

// kernelHas reports whether the kernel knows a file system, or has a module for
// it that it loads at the first mount.
func kernelHas(filesystem string) bool {
	var u unix.Utsname
	modules := ""
	if unix.Uname(&u) == nil {
		modules = filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:]))
	}
	return fileHas("/proc/filesystems", "\t"+filesystem+"\n") ||
		fileHas(filepath.Join(modules, "modules.dep"), "/"+filesystem+".ko") ||
		fileHas(filepath.Join(modules, "modules.builtin"), "/"+filesystem+".ko")
}

// fileHas reports whether a text stands in a file.
func fileHas(path, text string) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(b), text)
}

// leastFree is the share of memory and disk that a cluster must leave free.
const leastFree = 0.20

// checkHost refuses a host that cannot carry a cluster.
func (p *Provider) checkHost() []error {
	var errs []error
	for _, f := range Facts(p.cache) {
		if !f.OK {
			errs = append(errs, fmt.Errorf("embedded clusters need %s: %s", f.What, f.Way))
		}
	}
	return errs
}

// freeShare is the share of a file system that is free, as df(1) counts it: what
// is kept back for others counts neither as used nor as free.
func freeShare(fs unix.Statfs_t) float64 {
	used := float64(fs.Blocks - fs.Bfree)
	return float64(fs.Bavail) / (used + float64(fs.Bavail))
}

// meminfo returns a value of /proc/meminfo in kB.
func meminfo(b []byte, name string) float64 {
	for _, m := range memoryLines.FindAllSubmatch(b, -1) {
		if string(m[1]) == name {
			kb, err := strconv.ParseFloat(string(m[2]), 64)
			if err == nil {
				return kb
			}
		}
	}
	return 0
}

// existing is the deepest folder of a path that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

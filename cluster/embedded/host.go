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

// Facts says what embedded clusters need and whether this host has it.
func Facts() []Fact {
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
		facts = append(facts, Fact{What: "file system " + fs, OK: kernelHas("/proc/filesystems", fs), Way: "modprobe " + fs})
	}
	for _, p := range packages {
		_, err := exec.LookPath(p[0])
		facts = append(facts, Fact{What: "program " + p[0], OK: err == nil, Way: PackagesLine()})
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

// kernelHas reports whether a word stands at the end of a line of a file.
func kernelHas(file, word string) bool {
	b, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 0 && f[len(f)-1] == word {
			return true
		}
	}
	return false
}

// leastFree is the share of memory and disk that a cluster must leave free.
const leastFree = 0.20

// checkHost refuses a host that cannot carry a cluster.
func (p *Provider) checkHost() []error {
	var errs []error
	for _, f := range Facts() {
		if !f.OK {
			errs = append(errs, fmt.Errorf("embedded clusters need %s: %s", f.What, f.Way))
		}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(existing(p.cache), &disk); err == nil && disk.Blocks > 0 {
		errs = append(errs, enough("disk under "+p.cache, float64(disk.Bavail)/float64(disk.Blocks)))
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		errs = append(errs, enough("memory", meminfo(b, "MemAvailable")/meminfo(b, "MemTotal")))
	}
	return errs
}

// enough refuses a share that is too small.
func enough(what string, share float64) error {
	if share >= leastFree {
		return nil
	}
	return fmt.Errorf("only %.0f %% of the %s is free: a cluster may not be made below %.0f %%, free some first", share*100, what, leastFree*100)
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

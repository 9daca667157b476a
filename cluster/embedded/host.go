//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"squall/cluster"
	"squall/cluster/hostroom"

	"golang.org/x/sys/unix"
)

// Fact is one thing that a host has or lacks.
type Fact struct {
	What    string `json:"what"`              // what it is
	For     string `json:"for,omitempty"`     // what needs it, when not every cluster does
	OK      bool   `json:"ok"`                // the host has it
	Unknown bool   `json:"unknown,omitempty"` // it could not be found out
	Way     string `json:"way,omitempty"`     // how to get it, when it is not there
}

// packages are the programs that clusters take from the host, and the Debian
// package of each. kube-proxy calls nft, kubelet calls mount, containerd's shim
// calls runc.
var packages = [][2]string{
	{"nft", "nftables"}, {"conntrack", "conntrack"}, {"runc", "runc"}, {"iptables", "iptables"},
	{"mount", "mount"}, {"ip", "iproute2"}, {"mkfs.ext4", "e2fsprogs"},
}

// PackagesLine is the command that installs what is needed on Debian.
func PackagesLine() string {
	names := make([]string, len(packages))
	for i, p := range packages {
		names[i] = p[1]
	}
	return "apt-get install -y " + strings.Join(names, " ")
}

// Facts says what embedded clusters need and whether this host has it, as far as
// reading tells; [Probe] tries the rest. The disk that is looked at is the one
// that holds the cache folder.
func Facts(cache string) []Fact {
	facts := hostFacts(cache)
	if os.Geteuid() == 0 { // what is left for root is not known to others
		facts = append(facts, watchersFact())
	}
	return facts
}

// hostFacts are all but what depends on the cluster's size.
func hostFacts(cache string) []Fact {
	facts := []Fact{
		{What: "root", OK: os.Geteuid() == 0, Way: "run the same command with sudo"},
		kernelFact(),
		groupsFact(),
	}
	for _, fs := range []string{"overlay", "tmpfs", "proc", "sysfs"} {
		facts = append(facts, Fact{What: "file system " + fs, OK: kernelHas(fs), Way: "modprobe " + fs + noModule})
	}
	for _, p := range packages {
		facts = append(facts, Fact{What: "program " + p[0], OK: findProgram(p[0]), Way: PackagesLine()})
	}
	return append(facts, room(cache)...)
}

// watchersFact says whether the smallest cluster has enough inotify instances.
func watchersFact() Fact {
	f := Fact{What: "inotify instances for a cluster of one worker", OK: true}
	if err := watchers().Check(cluster.Spec{Workers: 1}); err != nil {
		f.OK, f.Way = false, err.Error()
	}
	return f
}

// noModule follows a modprobe: it cannot help where there is no module.
const noModule = "; where that fails the kernel was built without it, which cannot be fixed here: boot another kernel"

// findProgram tells whether nodes would find a program, wherever the caller
// looks for programs.
func findProgram(name string) bool {
	for dir := range strings.SplitSeq(hostPath, ":") {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// leastKernel is the first kernel on which kube-proxy programs nftables
// (k8s.io/kubernetes v1.36: pkg/util/kernel, NFTablesKubeProxyKernelVersion).
func leastKernel() [2]int { return [2]int{5, 13} }

// kernelFact says whether the kernel is new enough.
func kernelFact() Fact {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Fact{What: "kernel version", Unknown: true, Way: err.Error()}
	}
	return judgeKernel(unix.ByteSliceToString(u.Release[:]))
}

func judgeKernel(release string) Fact {
	var have [2]int
	least := leastKernel()
	_, err := fmt.Sscanf(release, "%d.%d", &have[0], &have[1])
	return Fact{
		What: fmt.Sprintf("kernel %d.%d or later (this is %s)", least[0], least[1], release),
		OK:   err == nil && slices.Compare(have[:], least[:]) >= 0,
		Way:  "cannot be fixed here: boot a later kernel",
	}
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
	if m, err := hostroom.ReadMemory(); err == nil {
		add("memory", float64(m.Available)/float64(m.Total), "end what uses it")
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(existing(cache), &disk); err == nil {
		add("disk under "+cache, freeShare(disk), "remove what is not needed, or name another folder with --cache")
	}
	return facts
}

// groupsFact says whether the control groups will do.
func groupsFact() Fact {
	g, err := findGroups()
	if err != nil {
		return Fact{What: "control groups", Way: err.Error()}
	}
	return g.fact()
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
	for _, f := range hostFacts(p.cache) {
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

// existing is the deepest folder of a path that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

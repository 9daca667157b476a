// Package hostroom tells whether a host has room for a cluster's nodes, before
// anything of them is made: processors, memory, and inotify instances. It is not
// for disks, which providers use in ways of their own.
package hostroom

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"

	"squall/cluster"
)

// Memory is what a host has of it, in bytes.
type Memory struct {
	Total     int64
	Available int64 // without swapping: MemAvailable of proc_meminfo(5)
}

// meminfo is a line of /proc/meminfo.
var meminfo = regexp.MustCompile(`(?m)^(\w+):\s+(\d+) kB$`)

// ReadMemory asks the kernel, which must be Linux.
func ReadMemory() (Memory, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Memory{}, fmt.Errorf("asking for the host's memory: %w", err)
	}
	var m Memory
	for _, line := range meminfo.FindAllSubmatch(b, -1) {
		kilobytes, err := strconv.ParseInt(string(line[2]), 10, 64)
		if err != nil {
			continue
		}
		switch string(line[1]) {
		case "MemTotal":
			m.Total = kilobytes << 10
		case "MemAvailable":
			m.Available = kilobytes << 10
		}
	}
	return m, nil
}

// ControlPlane is the memory in bytes that a control-plane node takes: some
// 0.9 GiB for all its programs and etcd's data after start (docs/hosts.md).
const ControlPlane = 1 << 30

// Workers is how many workers of so many bytes there is room for; all when a
// worker is not held to a size.
func (m Memory) Workers(each, all int64) int64 {
	if each <= 0 {
		return all
	}
	return min(all, max(0, m.Available-ControlPlane)/each)
}

// Check refuses workers that together may take more memory than there is. A
// worker that says no size is not held to one, and not counted.
func (m Memory) Check(spec cluster.Spec) error {
	each := spec.NodeMemory.Value()
	control := int64(max(spec.ControlPlanes, 1)) * ControlPlane
	// Divided, not multiplied: workers of 4Ei together are more than a number holds.
	if each <= 0 || each <= (m.Available-control)/int64(max(spec.Workers, 1)) {
		return nil
	}
	fit := max(0, m.Available-control) / each
	return fmt.Errorf("%d workers of %s of memory and %s for the control plane asked for: this host has %s available, which is enough for %d such workers; ask for fewer or smaller ones, or end what uses memory",
		spec.Workers, spec.NodeMemory.String(), Gibibytes(control), Gibibytes(m.Available), fit)
}

// CheckOneMore refuses one more worker of so many bytes beside others of that
// size, when it does not fit into what is available now, or all together do not
// fit into the host: what the others have not used yet is promised to them. The
// error wraps [cluster.ErrHost].
func (m Memory) CheckOneMore(others int, each int64) error {
	if each <= 0 {
		return nil
	}
	all := max(0, m.Total-ControlPlane) / each
	if each <= m.Available && int64(others) < all {
		return nil
	}
	return fmt.Errorf("%w: a worker of %s of memory beside %d others asked for: this host has %s available, and room for %d such workers in all; remove a node, or end what uses memory",
		cluster.ErrHost, Gibibytes(each), others, Gibibytes(m.Available), all)
}

// Gibibytes writes a number of bytes for people.
func Gibibytes(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// CheckProcessors refuses nodes with more processors than the host has: a kubelet
// gives its pods' groups all of the node's processors by number, and the kernel
// refuses numbers that do not exist.
func CheckProcessors(spec cluster.Spec) error {
	if cores := int64(runtime.NumCPU()); spec.NodeCPU.Value() > cores {
		return fmt.Errorf("nodes of %s processors asked for: this host has %d, and a node cannot have more", spec.NodeCPU.String(), cores)
	}
	return nil
}

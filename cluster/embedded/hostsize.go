//go:build linux

package embedded

import (
	"fmt"
	"os"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// hostMemory is what /proc/meminfo tells of the host's memory, in bytes.
type hostMemory struct{ Total, Available int64 }

func readMemory() (hostMemory, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return hostMemory{}, fmt.Errorf("asking for the host's memory: %w", err)
	}
	return hostMemory{Total: int64(meminfo(b, "MemTotal")) * 1024, Available: int64(meminfo(b, "MemAvailable")) * 1024}, nil
}

// usable is the memory that clusters may use now: what is available, less the
// share that has to stay free.
func (m hostMemory) usable() int64 {
	return max(0, m.Available-int64(leastFree*float64(m.Total)))
}

// controlPlaneMemory is what the control plane takes beside the workers: some
// 0.9 GiB for all its programs and etcd's data after start (docs/hosts.md).
const controlPlaneMemory = 1 << 30

// fitting is the number of workers of some bytes that the host has room for.
func (m hostMemory) fitting(worker int64) int64 {
	if worker <= 0 {
		return MaxWorkers
	}
	return max(0, m.Available-controlPlaneMemory) / worker
}

// checkSize refuses workers that together may take more memory than the host
// has. A worker that says no size is not held to one, and not counted.
func checkSize(spec cluster.Spec, m hostMemory) error {
	each := spec.NodeMemory.Value()
	control := int64(max(spec.ControlPlanes, 1)) * controlPlaneMemory
	// Divided, not multiplied: workers of 4Ei together are more than a number holds.
	if each <= 0 || each <= (m.Available-control)/int64(max(spec.Workers, 1)) {
		return nil
	}
	fit := max(0, m.Available-control) / each
	return fmt.Errorf("%d workers of %s of memory and %s for the control plane asked for: this host has %s available, which is enough for %d such workers; ask for fewer or smaller ones, or end what uses memory",
		spec.Workers, spec.NodeMemory.String(), gibibytes(control), gibibytes(m.Available), fit)
}

// checkRoom refuses one more worker of some bytes beside others of that size,
// when it does not fit into what is available now, or all together do not fit
// into the host: what the others have not used yet is promised to them.
func checkRoom(others int, each int64, m hostMemory) error {
	if each <= 0 {
		return nil
	}
	all := max(0, m.Total-controlPlaneMemory) / each
	if each <= m.Available && int64(others) < all {
		return nil
	}
	return fmt.Errorf("%w: a worker of %s of memory beside %d others asked for: this host has %s available, and room for %d such workers in all; remove a node, or end what uses memory",
		cluster.ErrHost, gibibytes(each), others, gibibytes(m.Available), all)
}

func gibibytes(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// leastDisk is the least room for a cluster's files: twice what three workers
// with etcd and their images take after start.
const leastDisk = 512 << 20

// diskSize bounds what all nodes of a cluster write to their disks, which is
// memory: half of what clusters may use now, so that the nodes' programs have
// the other half. Without a size a tmpfs takes half of all there is, whatever
// else needs it.
func (m hostMemory) diskSize() int64 { return max(leastDisk, m.usable()/2) }

// checkWatchers refuses a cluster for which root has too few inotify instances
// left: kubelets and kube-proxies would end with "too many open files". They are
// a limit of the user on the whole host; what is left is found by taking it.
func checkWatchers(spec cluster.Spec) error {
	control := max(spec.ControlPlanes, 1)
	return needWatchers("the cluster", control*instancesPerCluster+(control+spec.Workers)*instancesPerNode)
}

// needWatchers refuses what takes more inotify instances than are left.
func needWatchers(who string, need int) error {
	var taken []int
	defer func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
	}()
	for range need {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			return fmt.Errorf("%s takes %d inotify instances and the host has %d left for root: "+
				"sysctl -w fs.inotify.max_user_instances=1024, or end what takes them", who, need, len(taken))
		}
		taken = append(taken, fd)
	}
	return nil
}

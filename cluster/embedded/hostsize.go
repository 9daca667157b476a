//go:build linux

package embedded

import (
	"squall/cluster/hostroom"
)

// watchers are the inotify instances that nodes take, counted on a cluster that
// was up: kubelet, containerd and kube-proxy of a node hold 9, the control plane's
// programs 12 more.
func watchers() hostroom.Watchers { return hostroom.Watchers{Node: 9, ControlPlane: 12} }

// leastDisk is the least room for a cluster's files: twice what three workers
// with etcd and their images take after start.
const leastDisk = 512 << 20

// diskSize bounds what all nodes of a cluster write to their disks, which is
// memory: half of what clusters may use now, less the share that has to stay
// free, so that the nodes' programs have the other half. Without a size a tmpfs
// takes half of all there is, whatever else needs it.
func diskSize(m hostroom.Memory) int64 {
	return max(leastDisk, (m.Available-int64(leastFree*float64(m.Total)))/2)
}

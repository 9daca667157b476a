//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// A part of a cluster that has groups below it sits in a leaf beside them:
//
//	squall.demo              holds nobody
//	 ├ init                  the supervisor
//	 └ worker-1              the root of the node's cgroup namespace
//	    ├ init               the node's PID 1, containerd, kubelet and the rest
//	    └ kubepods           kubelet's
//
// Version 2 demands it: a group that hands controllers on may hold no processes
// itself ("no internal processes", the kernel's
// Documentation/admin-guide/cgroup-v2.rst). On version 1 a process in a group
// would have a share of the processors beside the groups below it, thread by
// thread, and twenty busy threads of kubelet, containerd and runc would leave
// the pods of the node a tenth of its time.
//
// The namespace is rooted where its maker is when it makes it, so a part joins
// squall.demo, makes the namespace, and only then goes to the leaf: see [enter].
const leafGroup = "init"

// The shares of the processors that groups have where those beside them want
// time, too; on version 1 kubelet gives kubepods 1024 for each processor of its node.
//
// The nodes of a cluster would be machines of their own. Here they and the
// control plane share the host's processors, and with equal shares a service
// stood still for 0.2 to 0.6 s whenever a pod ended or began on two slow cores:
// requests lost by the host and not by the fault. So pods go before the daemons
// of their node, and workers before the control plane. Shares are bounds, too: pods
// that burn all they get leave the daemons a fifth of a worker with one
// processor, and the control plane a fifth of a host with two workers.
const (
	wholeShare  = 1024 // the kernel's own; a control plane, a supervisor
	workerShare = 2 * wholeShare
	daemonShare = wholeShare / 4
)

// share is a node's share of the host's processors.
func (n nodeConfig) share() int64 {
	if n.ControlPlane {
		return wholeShare
	}
	return workerShare
}

// weigh gives a group its share of the processors, in 1024ths of what a group
// has that nobody weighed: cpu.shares on version 1; on version 2 cpu.weight,
// where that is 100.
func (g groups) weigh(path string, share int64) error {
	if g.Version == 1 {
		dir, err := g.controllerDir("cpu", path)
		if err != nil {
			return err
		}
		return writeShare(filepath.Join(dir, "cpu.shares"), share)
	}
	return writeShare(filepath.Join(g.Hierarchies[0].Dir, path, "cpu.weight"), share*100/wholeShare)
}

func writeShare(file string, value int64) error {
	if err := os.WriteFile(file, []byte(strconv.FormatInt(value, 10)), 0o644); err != nil {
		return fmt.Errorf("giving the control group its share of the processors: writing %d to %s: %w", value, file, err)
	}
	return nil
}

// seat is where processes of a group sit: in the leaf, once there is one.
func (g groups) seat(dir string) string {
	leaf := filepath.Join(dir, leafGroup)
	if _, err := os.Stat(leaf); err != nil {
		return dir
	}
	return leaf
}

// nest moves the calling process, which is in the group, to a leaf below it and
// lets the group have others below. On version 1 it does so where leaves are of
// use, for the processors, and for memory since kubelet demands that its groups
// of both have one path (pkg/kubelet/cm/container_manager_linux.go,
// getContainer). Every other leaf would only have to be removed.
func (g groups) nest(path string) error {
	for _, h := range g.Hierarchies {
		if g.Version == 1 && !h.has("cpu") && !h.has("cpuacct") && !h.has("memory") {
			continue
		}
		leaf := filepath.Join(h.Dir, path, leafGroup)
		if err := h.makeGroup(leaf); err != nil {
			return err
		}
		if err := joinDir(leaf); err != nil {
			return err
		}
	}
	if g.Version == 1 {
		return nil
	}
	return g.handOn(filepath.Join(g.Hierarchies[0].Dir, path))
}

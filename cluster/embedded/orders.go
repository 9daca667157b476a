//go:build linux

package embedded

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// obey carries out the supervisor's orders once the node is settled. The channel
// join is closed at the order to join, which may come more than once.
func (m *machine) obey(orders *json.Decoder, join chan<- struct{}) {
	<-m.settled
	known := m.Peers
	for joined := false; ; {
		var o order
		if orders.Decode(&o) != nil {
			return // the supervisor has gone, and the node goes with it
		}
		if o.Go && !joined {
			joined = true
			close(join)
		}
		if len(o.Peers) > 0 {
			if err := routePeers(m.Node, known, o.Peers); err != nil {
				m.send(event{What: whatFailed, Status: err.Error()})
			}
			known = o.Peers
		}
		if o.Stop {
			m.stop(context.Background())
			m.send(event{What: whatStopped})
		}
	}
}

// programGrace is how long a program of the node itself has to end. An API server
// uses it up: it waits for the watches of its clients, and they do not end.
const programGrace = 5 * time.Second

// stop ends what runs on the node, in order. A kubelet's own graceful shutdown
// needs systemd, so it is done here: first what would start things again ends,
// then the pods, then what they needed. Nobody tells the API.
func (m *machine) stop(ctx context.Context) {
	m.programs.close()
	m.programs.end(ctx, programGrace, "kubelet", kubeProxy, servicesName)
	endContainers(ctx)
	m.programs.end(ctx, programGrace, "kube-scheduler", "kube-controller-manager")
	m.programs.end(ctx, programGrace, "kube-apiserver")
	m.programs.end(ctx, programGrace, "etcd", "containerd")
}

// endContainers asks the containers of all pods to end, and their sandboxes
// after them. What does not within [cluster.StopGrace] dies with the node.
func endContainers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, cluster.StopGrace)
	defer cancel()
	sandboxes, others := runningContainers()
	endAll(ctx, others)
	endAll(ctx, sandboxes)
}

// containerdTasks is where containerd's shim keeps a folder a container, with
// its OCI configuration and its first process's id (containerd v2:
// core/runtime/v2/bundle.go, cmd/containerd-shim-runc-v2/process/init.go).
const containerdTasks = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"

// runningContainers returns pidfds of the first processes of the containers that
// run: of pods' sandboxes and of all others.
func runningContainers() (sandboxes, others []int) {
	entries, err := os.ReadDir(containerdTasks)
	if err != nil {
		return nil, nil // nothing was ever run
	}
	for _, e := range entries {
		fd, err := containerProcess(e.Name())
		switch {
		case err != nil: // it has ended, or is not born yet
		case isSandbox(e.Name()):
			sandboxes = append(sandboxes, fd)
		default:
			others = append(others, fd)
		}
	}
	return sandboxes, others
}

// containerProcess opens the first process of a container.
func containerProcess(id string) (pidfd int, err error) {
	b, err := os.ReadFile(filepath.Join(containerdTasks, id, "init.pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	// A process of that id may be another by now; a container's is in a control
	// group that bears its name.
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(groups), "/"+id) {
		unix.Close(fd)
		return 0, fmt.Errorf("the process %d of container %s has ended", pid, id)
	}
	return fd, nil
}

// isSandbox tells whether a container only holds a pod's namespaces.
func isSandbox(id string) bool {
	b, err := os.ReadFile(filepath.Join(containerdTasks, id, "config.json"))
	var config struct {
		Annotations map[string]string `json:"annotations"`
	}
	return err == nil && json.Unmarshal(b, &config) == nil &&
		config.Annotations["io.kubernetes.cri.container-type"] == "sandbox"
}

// endAll asks processes to end and waits until they have, or ctx ends. It closes
// their pidfds.
func endAll(ctx context.Context, pidfds []int) {
	for _, fd := range pidfds {
		_ = unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0) // it may have ended
	}
	for _, fd := range pidfds {
		_ = waitPidfd(ctx, fd)
		unix.Close(fd)
	}
}

// presentBoot gives the node a boot ID of its own for as long as it is on. The
// kernel's is the host's and tells a kubelet nothing of a node's restart.
func presentBoot() error {
	const file = "/run/squall-boot_id"
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	text := fmt.Sprintf("%x-%x-%x-%x-%x\n", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	if err := os.WriteFile(file, []byte(text), 0o444); err != nil {
		return fmt.Errorf("giving the node a boot ID: %w", err)
	}
	if err := unix.Mount(file, "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("giving the node a boot ID: %w", err)
	}
	return nil
}

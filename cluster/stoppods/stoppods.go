//go:build linux

// Package stoppods ends what runs on a node, as a machine does that is switched
// off in order. A kubelet's own graceful shutdown needs systemd's login daemon,
// which such nodes lack. Nobody tells the API, and nothing here keeps the kubelet
// from starting pods again: it must have ended before.
package stoppods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Stop asks the containers of all pods to end, and their sandboxes after them.
// What does not within grace is left; it dies with the node. Containers are known
// by what containerd's shims keep about them, so it works without containerd, in
// the PID and mount namespace that containerd has.
func Stop(ctx context.Context, grace time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, grace)
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
	// group that bears its id, alone or, where systemd makes the groups, within
	// "cri-containerd-ID.scope".
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(groups), id) {
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
		_ = wait(ctx, fd)
		unix.Close(fd)
	}
}

// wait waits until the process behind a pidfd has ended.
func wait(ctx context.Context, fd int) error {
	for {
		// A pidfd is readable once its process has ended. Poll in short turns,
		// since a context cannot wake it.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 50)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for a process to end: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("it has not ended: %w", context.Cause(ctx))
		}
	}
}

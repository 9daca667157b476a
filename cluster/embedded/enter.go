//go:build linux

package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// nodeNamespaces are the namespaces that a supervisor and each node get of
// their own, but for the cgroup namespace, see [enter].
const nodeNamespaces = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET |
	syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// enter is the first half of a supervisor's or node's start: args name the
// part to become and its control group.
//
// A cgroup namespace is rooted in the groups that its maker is in when it makes
// it. On cgroup v1 a process cannot be born in a group, so it joins first,
// unshares then, and only then becomes the part; the exec gives the whole new
// process this thread's namespace.
func enter(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("got %d arguments, need a part and a control group", len(args))
	}
	runtime.LockOSThread()
	hs, err := hierarchies()
	if err != nil {
		return err
	}
	if err := joinGroup(hs, args[1]); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making a cgroup namespace: %w", err)
	}
	if err := syscall.Exec("/proc/self/exe", args, os.Environ()); err != nil {
		return fmt.Errorf("becoming %s: %w", args[0], err)
	}
	return nil
}

// partEnvironment is the whole environment of a cluster's parts: nothing of
// the user's leaks into a cluster.
func partEnvironment() []string {
	return []string{
		"PATH=" + componentsDir + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
	}
}

// writeConfig writes a configuration into a pipe and closes it.
func writeConfig(w *os.File, v any) error {
	defer w.Close()
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("passing on the configuration: %w", err)
	}
	return nil
}

//go:build linux

package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
// it. A process cannot be born in a group of cgroup v1, so it joins first,
// unshares then, and only then becomes the part; the exec gives the whole new
// process this thread's namespace. It goes to a leaf in between, see [leafGroup].
func enter(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("got %d arguments, need a part and a control group", len(args))
	}
	runtime.LockOSThread()
	g, err := findGroups()
	if err != nil {
		return err
	}
	if err := g.join(args[1]); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making a cgroup namespace: %w", err)
	}
	if err := g.nest(args[1]); err != nil {
		return err
	}
	if args[0] == nodeName {
		if err := g.weigh(filepath.Join(args[1], leafGroup), daemonShare); err != nil {
			return err
		}
	}
	if err := syscall.Exec("/proc/self/exe", args, os.Environ()); err != nil {
		return fmt.Errorf("becoming %s: %w", args[0], err)
	}
	return nil
}

// hostPath is where nodes look for the programs that they take from the host.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// partEnvironment is the whole environment of a cluster's parts: nothing of
// the user's leaks into a cluster.
func partEnvironment() []string {
	return []string{
		"PATH=" + componentsDir + "/bin:" + hostPath,
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

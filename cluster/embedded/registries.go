//go:build linux

package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"squall/workloads/image/mirror"

	"golang.org/x/sys/unix"
)

// Nodes have no way to the host's network. Where a cluster may pull from
// registries, its janitor, which is on the host, answers for them at the
// bridge's address.
const (
	mirrorAddress = bridgeAddress + ":5000"
	registriesDir = configDir + "/registries"
)

// registryFiles configure containerd to ask the mirror (docs/hosts.md of
// containerd).
func registryFiles(registries []string) map[string]string {
	files := map[string]string{}
	for _, r := range registries {
		files[filepath.Join(registriesDir, r, "hosts.toml")] = fmt.Sprintf(`server = "http://%[1]s"
[host."http://%[1]s"]
  capabilities = ["pull", "resolve"]
`, mirrorAddress)
	}
	return files
}

// registryEnvironment is what of the user's environment says how registries are
// reached and who the user is there. The janitor alone gets it.
func registryEnvironment() []string {
	var env []string
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	const docker = "DOCKER_CONFIG" // the folder of what "docker login" saved
	if dir, set := os.LookupEnv(docker); set {
		return append(env, docker+"="+dir)
	}
	if home, err := os.UserHomeDir(); err == nil {
		env = append(env, docker+"="+filepath.Join(home, ".docker"))
	}
	return env
}

// startMirror answers for registries in the network namespace of the
// supervisor, for as long as this process lives.
func startMirror(supervisor int, registries []string) error {
	if len(registries) == 0 {
		return nil
	}
	handler, err := mirror.New(registries)
	if err != nil {
		return err
	}
	l, err := listenIn(supervisor, mirrorAddress)
	if err != nil {
		return fmt.Errorf("opening the address at which nodes pull images: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // until the process ends
	return nil
}

// listenIn listens in the network namespace of a process. The address need not
// be there yet.
func listenIn(pid int, address string) (net.Listener, error) {
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		if err := enterNetwork(pid); err != nil {
			done <- result{nil, err}
			return
		}
		config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			var set error
			err := c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) })
			if err == nil {
				err = set
			}
			return err
		}}
		l, err := config.Listen(context.Background(), "tcp4", address)
		done <- result{l, err}
	}()
	r := <-done
	return r.l, r.err
}

// enterNetwork moves this thread into the network namespace of a process.
func enterNetwork(pid int) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the network namespace of process %d: %w", pid, err)
	}
	return nil
}

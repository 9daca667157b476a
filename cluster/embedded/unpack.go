//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unpackTimeout bounds the import of a set of images, which takes seconds.
const unpackTimeout = 2 * time.Minute

// Where the unpacking process's containerd has its socket and configuration, on
// a tmpfs of its own.
const (
	unpackSocket = "/run/containerd.sock"
	unpackConfig = "/run/containerd.toml"
)

// unpackImages is PID 1 of the unpacking process: it runs a containerd on the
// store's folder, imports the archives and stops it.
func unpackImages([]string) error {
	var o unpackOrder
	if err := readConfig(&o); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unpackTimeout)
	defer cancel()
	if err := prepareUnpack(o); err != nil {
		return err
	}
	r := newReaper()
	start := func(name string, args ...string) (int, <-chan syscall.WaitStatus, error) {
		return r.start(filepath.Join(o.Components, "bin", name), append([]string{name}, args...),
			&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	}
	pid, daemon, err := start("containerd", "--config", unpackConfig, "--log-level", "warn")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stopped := make(chan struct{})
	go func() {
		status := <-daemon
		stop(fmt.Errorf("containerd ended: %s", describeStatus(status)))
		close(stopped)
	}()
	if err := waitListening(ctx, "unix", unpackSocket); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	for _, archive := range o.Archives {
		_, ended, err := start("ctr", "--address", unpackSocket, "--namespace", "k8s.io", "images", "import", archive)
		if err != nil {
			return err
		}
		select {
		case status := <-ended:
			if status != 0 {
				return fmt.Errorf("importing %s: %s", archive, describeStatus(status))
			}
		case <-ctx.Done():
			return fmt.Errorf("importing %s: %w", archive, context.Cause(ctx))
		}
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping containerd: %w", err)
	}
	<-stopped
	return dropLayers(o.Root)
}

// prepareUnpack gives the process mounts of its own and writes containerd's
// configuration.
func prepareUnpack(o unpackOrder) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the host's mounts: %w", err)
	}
	for target, kind := range map[string]string{"/run": "tmpfs", "/proc": "proc"} {
		if err := mount("squall", target, kind, 0, ""); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(o.Root, 0o700); err != nil {
		return err
	}
	toml := fmt.Sprintf(`version = 3
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = %q
`, o.Root, unpackSocket)
	return os.WriteFile(unpackConfig, []byte(toml), 0o600)
}

// dropLayers removes the compressed layers: they are unpacked already.
func dropLayers(root string) error {
	blobs := filepath.Join(root, "io.containerd.content.v1.content", "blobs")
	return filepath.WalkDir(blobs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() <= largestBlob {
			return err
		}
		return os.Remove(path)
	})
}

//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"

	"squall/cluster/components"
	"squall/workloads/image"

	"golang.org/x/sys/unix"
)

// An image store is a containerd root folder in the cache into which a set of
// images was imported and unpacked. Nodes copy its metadata and share its
// layers, so no node ever imports an image.
const (
	storeRoot = "root" // in the store: the containerd root
	// storeEdition changes when the layout of a store does.
	storeEdition = "1"
)

// The images that every node has.
const (
	pauseImage = "squall.local/pause:" + systemImageVersion
	dnsImage   = "squall.local/coredns:" + components.CoreDNSVersion
	// systemImageVersion is the tag of images whose program is our own.
	systemImageVersion = "v1"
)

// systemImages makes the images that every node has.
func systemImages(ctx context.Context, b image.Builder, tree components.Tree) ([]image.Image, error) {
	var images []image.Image
	for _, binary := range []image.Binary{
		{Name: "pause", Ref: pauseImage, Path: tree.Path("pause")},
		{Name: "coredns", Ref: dnsImage, Path: tree.Path("coredns"), User: "0:0"},
	} {
		img, err := b.FromBinary(ctx, binary)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, nil
}

// imageStore returns the store for a set of images and makes it when absent.
func (p *Provider) imageStore(ctx context.Context, tree components.Tree, images []image.Image, progress func(string)) (string, error) {
	lines := []string{storeEdition, tree.Digest()}
	for _, img := range images {
		lines = append(lines, img.Ref+" "+img.Digest)
	}
	sort.Strings(lines[2:])
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	parent := filepath.Join(p.cache, "stores")
	store := filepath.Join(parent, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(store); err == nil {
		return store, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("making the folder for image stores: %w", err)
	}
	unlock, err := lockRun(ctx, parent)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(store); err == nil {
		return store, nil // another squall made it while we waited
	}
	progress(fmt.Sprintf("unpacking %d images", len(images)))
	temp := filepath.Join(parent, "making")
	if err := os.RemoveAll(temp); err != nil {
		return "", fmt.Errorf("clearing what a killed squall left: %w", err)
	}
	defer os.RemoveAll(temp)
	order := unpackOrder{Components: filepath.Dir(tree.Bin()), Root: filepath.Join(temp, storeRoot)}
	for _, img := range images {
		order.Archives = append(order.Archives, img.Archive)
	}
	if err := unpack(ctx, order); err != nil {
		return "", fmt.Errorf("unpacking images: %w", err)
	}
	if err := os.Rename(temp, store); err != nil {
		return "", fmt.Errorf("keeping the image store: %w", err)
	}
	return store, nil
}

// unpackOrder tells the unpacking process what to do.
type unpackOrder struct {
	Components string
	Root       string
	Archives   []string
}

// unpack starts a process in PID and mount namespaces of its own, which take
// its containerd and its mounts along however it ends.
func unpack(ctx context.Context, o unpackOrder) error {
	configRead, configWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer configRead.Close()
	out, err := os.CreateTemp("", "squall-unpack-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	failed := make(chan error, 1)
	started := make(chan int, 1)
	go func() {
		// The process dies with the thread that made it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		pid, err := syscall.ForkExec("/proc/self/exe", []string{imagesName}, &syscall.ProcAttr{
			Env:   partEnvironment(),
			Files: []uintptr{null.Fd(), out.Fd(), out.Fd(), configRead.Fd()},
			Sys: &syscall.SysProcAttr{
				Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
				Pdeathsig:  syscall.SIGKILL,
			},
		})
		if err != nil {
			started <- 0
			failed <- err
			return
		}
		started <- pid
		var status syscall.WaitStatus
		for {
			if _, err = syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		if err == nil && status != 0 {
			err = errors.New(describeStatus(status))
		}
		failed <- err
	}()
	pid := <-started
	if pid > 0 {
		if err := writeConfig(configWrite, o); err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
		_ = syscall.Kill(pid, syscall.SIGKILL)
		<-failed
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(out.Name(), maxTail))
	}
	return nil
}

// unpackImages is PID 1 of the unpacking process.
func unpackImages([]string) error {
	var o unpackOrder
	if err := readConfig(&o); err != nil {
		return err
	}
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
	const socket = "/run/containerd.sock"
	const file = "/run/containerd.toml"
	toml := fmt.Sprintf(`version = 3
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = %q
`, o.Root, socket)
	if err := os.WriteFile(file, []byte(toml), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r := newReaper()
	start := func(name string, args ...string) (<-chan syscall.WaitStatus, int, error) {
		pid, ended, err := r.start(filepath.Join(o.Components, "bin", name), append([]string{name}, args...),
			&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
		return ended, pid, err
	}
	daemon, pid, err := start("containerd", "--config", file, "--log-level", "warn")
	if err != nil {
		return err
	}
	if err := waitListening(ctx, "unix", socket); err != nil {
		return err
	}
	for _, archive := range o.Archives {
		ended, _, err := start("ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", archive)
		if err != nil {
			return err
		}
		if status := <-ended; status != 0 {
			return fmt.Errorf("importing %s: %s", archive, describeStatus(status))
		}
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping containerd: %w", err)
	}
	<-daemon
	return dropLayers(o.Root)
}

// dropLayers removes the compressed layers: they are unpacked already.
func dropLayers(root string) error {
	return filepath.WalkDir(filepath.Join(root, "io.containerd.content.v1.content", "blobs"), func(path string, d fs.DirEntry, err error) error {
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

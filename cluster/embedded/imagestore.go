//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"squall/cluster/components"
	"squall/workloads/image"
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
	pauseImage   = "squall.local/pause:" + systemImageVersion
	dnsImage     = "squall.local/coredns:" + components.CoreDNSVersion
	metricsImage = "squall.local/metrics-server:" + components.MetricsServerVersion
	// systemImageVersion is the tag of images whose program is our own.
	systemImageVersion = "v1"
)

// systemImages makes the images that every node has.
func systemImages(ctx context.Context, b image.Builder, tree components.Tree) ([]image.Image, error) {
	var images []image.Image
	for _, binary := range []image.Binary{
		{Name: "pause", Ref: pauseImage, Path: tree.Path("pause")},
		{Name: "coredns", Ref: dnsImage, Path: tree.Path("coredns"), User: "0:0"},
		{Name: "metrics-server", Ref: metricsImage, Path: tree.Path("metrics-server")},
	} {
		img, err := b.FromBinary(ctx, binary)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, nil
}

// storeName names the store for a set of images.
func storeName(tree components.Tree, images []image.Image) string {
	var lines []string
	for _, img := range images {
		lines = append(lines, img.Ref+" "+img.Digest)
	}
	sort.Strings(lines)
	lines = append(lines, storeEdition, tree.Digest())
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:8])
}

// makeStore makes the store for a set of images when it is absent. It appears
// under its name whole or not at all, so nodes that need it may wait for it
// there.
func (p *Provider) makeStore(ctx context.Context, tree components.Tree, images []image.Image) error {
	store := filepath.Join(p.stores(), storeName(tree, images))
	if _, err := os.Stat(store); err == nil {
		return nil
	}
	unlock, err := lockRun(ctx, p.stores())
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(store); err == nil {
		return nil // another squall made it while we waited
	}
	temp := filepath.Join(p.stores(), "making")
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("clearing what a killed squall left: %w", err)
	}
	defer os.RemoveAll(temp)
	order := unpackOrder{Components: filepath.Dir(tree.Bin()), Root: filepath.Join(temp, storeRoot)}
	for _, img := range images {
		order.Archives = append(order.Archives, img.Archive)
	}
	if err := unpack(ctx, order); err != nil {
		return fmt.Errorf("unpacking images: %w", err)
	}
	if err := os.Rename(temp, store); err != nil {
		return fmt.Errorf("keeping the image store: %w", err)
	}
	return nil
}

// stores is the folder of the image stores.
func (p *Provider) stores() string { return filepath.Join(p.cache, "stores") }

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
	pid, ended := onThread(func() (int, error) {
		return syscall.ForkExec("/proc/self/exe", []string{imagesName}, &syscall.ProcAttr{
			Env:   partEnvironment(),
			Files: []uintptr{null.Fd(), out.Fd(), out.Fd(), configRead.Fd()},
			Sys: &syscall.SysProcAttr{
				Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
				Pdeathsig:  syscall.SIGKILL,
			},
		})
	})
	if err := writeConfig(configWrite, o); err != nil {
		killChild(pid)
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		killChild(pid)
		<-ended
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(out.Name(), maxTail))
	}
	return nil
}

// Package nodeimage makes the Docker image of the nodes of kind clusters, without
// a registry: out of Debian packages, the files of kind's own base image, which
// come with its Go module, and Squall's compiled components. What nodes run in
// containers lies unpacked in it, so that no node ever imports an image.
//
// It needs the docker command and neither root nor a network but the mirrors of
// Debian and of Go modules. It makes no clusters.
package nodeimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"squall/cluster/components"
	"squall/workloads/image"

	"golang.org/x/sys/unix"
)

// edition changes when what this package makes of the same parts does.
const edition = "1"

// Labels of what this package makes in the engine.
const (
	// labelImage is on images, with their key.
	labelImage = "dev.squall.node-image"
	// labelBuild is on the container in which images are unpacked.
	labelBuild = "dev.squall.build"
)

// Builder makes node images. Two builders at once, in one process or in several,
// are safe.
type Builder struct {
	// Cache is Squall's cache folder.
	Cache string
	// From is a published image of kind's nodes to build upon, pinned by its digest;
	// see [CheckRef]. Empty means Squall's own, which needs no registry.
	From string
	// Progress takes a line before anything that takes long; nil drops it.
	Progress func(string)
}

// Image is a node image in the engine.
type Image struct {
	// Ref names it, "squall.local/node:KEY". The same parts always give the same.
	Ref string
	// KubernetesVersion is for example "v1.36.3".
	KubernetesVersion string
	// From is [Builder.From].
	From string
}

func (b Builder) say(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// Build makes the image of nodes that have some images from the start, besides
// those of their own programs, or finds it in the engine.
func (b Builder) Build(ctx context.Context, images []image.Image) (Image, error) {
	tree, err := components.Builder{Dir: filepath.Join(b.Cache, "components"), Progress: b.Progress}.Build(ctx)
	if err != nil {
		return Image{}, err
	}
	parts := image.Builder{Dir: filepath.Join(b.Cache, "images"), Progress: b.Progress}
	system, err := systemImages(ctx, parts, tree)
	if err != nil {
		return Image{}, fmt.Errorf("making the images of the nodes' programs: %w", err)
	}
	if b.From != "" {
		return b.fromPublished(ctx, system, images)
	}
	base, err := b.base(ctx, parts, tree)
	if err != nil {
		return Image{}, fmt.Errorf("making the node image: %w", err)
	}
	all := append(system, images...)
	key := keyOf(tree.Digest(), base, all)
	made := Image{Ref: "squall.local/node:" + key, KubernetesVersion: components.KubernetesVersion}
	err = b.once(ctx, made.Ref, func(ctx context.Context) error { return b.assemble(ctx, base, all, key, made.Ref) })
	if err != nil {
		return Image{}, fmt.Errorf("making the node image: %w", err)
	}
	return made, nil
}

// once makes an image unless the engine has it, while no other squall does.
func (b Builder) once(ctx context.Context, ref string, make func(context.Context) error) error {
	if there, err := has(ctx, ref); err != nil || there {
		return err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := has(ctx, ref); err != nil || there {
		return err // another squall made it while we waited
	}
	if err := sweep(ctx); err != nil {
		return fmt.Errorf("removing what a killed builder left: %w", err)
	}
	b.say("making the node image %s", ref)
	return make(ctx)
}

// keyOf names what an image is made of.
func keyOf(tree string, base image.Image, images []image.Image) string {
	lines := []string{edition, tree, base.Digest}
	var rest []string
	for _, i := range images {
		rest = append(rest, i.Ref+" "+i.Digest)
	}
	slices.Sort(rest)
	sum := sha256.Sum256([]byte(strings.Join(append(lines, rest...), "\n")))
	return hex.EncodeToString(sum[:8])
}

// lock waits until no other squall makes node images in this cache.
func (b Builder) lock(ctx context.Context) (unlock func(), err error) {
	folder := filepath.Join(b.Cache, "kind")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for node images: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(folder, "node-image.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of node images: %w", err)
	}
	taken := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				taken <- err
				return
			}
		}
	}()
	select {
	case err := <-taken:
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("taking the lock of node images: %w", err)
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		go func() { // the lock is given back as soon as it comes
			<-taken
			f.Close()
		}()
		return nil, fmt.Errorf("waiting for another squall that makes a node image: %w", context.Cause(ctx))
	}
}

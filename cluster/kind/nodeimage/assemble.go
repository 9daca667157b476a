package nodeimage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"squall/cluster/components"
	"squall/workloads/image"
)

// unpackDeadline bounds the start of containerd in the container where images are
// unpacked; it takes a second.
const unpackDeadline = time.Minute

// assemble makes the node image over Squall's own base.
func (b Builder) assemble(ctx context.Context, base image.Image, images []image.Image, key, ref string) error {
	b.say("loading the base of the node image")
	if _, err := docker(ctx, nil, "load", "--quiet", "--input", base.Archive); err != nil {
		return err
	}
	u, err := b.startUnpacker(ctx, key, baseRef)
	if err != nil {
		return err
	}
	return u.endAfter(ctx, func() error {
		spec, err := u.containerSpec(ctx)
		if err != nil {
			return err
		}
		if err := b.importAll(ctx, u, images); err != nil {
			return err
		}
		if err := u.alias(ctx); err != nil {
			return err
		}
		return b.seal(ctx, u, ref, sealing{base: baseRef, labels: map[string]string{labelImage: key},
			files: map[string]string{"/etc/containerd/cri-base.json": string(spec)}})
	})
}

// unpacker is a container of a base with nothing but containerd in it, which
// unpacks images.
type unpacker struct{ id string }

// startUnpacker starts one. When it fails nothing is left.
func (b Builder) startUnpacker(ctx context.Context, key, base string) (unpacker, error) {
	// It has a name before it is made, so that it is removed also when making or
	// starting it fails halfway.
	u := unpacker{id: "squall-node-image-" + key + "-" + strings.ToLower(rand.Text()[:8])}
	_, err := docker(ctx, nil, "run", "--detach", "--name", u.id, "--privileged", "--label", labelBuild+"="+key, "--network", "none",
		"--tmpfs", "/run", "--tmpfs", "/tmp", "--volume", "/var/lib/containerd", "--entrypoint", "/usr/local/bin/containerd", base)
	if err == nil {
		err = waitContainerd(ctx, u.ctr("version"))
	}
	if err != nil {
		return u, u.endAfter(ctx, func() error { return err })
	}
	return u, nil
}

// endAfter removes the container once something was done with it.
func (u unpacker) endAfter(ctx context.Context, do func() error) error {
	err := do()
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), unpackDeadline)
	defer cancel()
	_, late := docker(undo, nil, "rm", "--force", "--volumes", u.id)
	return errors.Join(err, late)
}

// ctr are docker's arguments for a command of containerd's own client.
func (u unpacker) ctr(args ...string) []string {
	return append([]string{"exec", "--interactive", u.id, "ctr", "--namespace", "k8s.io"}, args...)
}

// containerSpec is what every container of a node starts from: containerd's own
// default, without limits, which the host may not let be raised.
func (u unpacker) containerSpec(ctx context.Context) ([]byte, error) {
	out, err := docker(ctx, nil, "exec", u.id, "ctr", "oci", "spec")
	if err != nil {
		return nil, err
	}
	var spec map[string]json.RawMessage
	var process map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal([]byte(out), &spec), json.Unmarshal(spec["process"], &process)); err != nil {
		return nil, fmt.Errorf("reading containerd's default for containers: %w", err)
	}
	delete(process, "rlimits")
	if spec["process"], err = json.Marshal(process); err != nil {
		return nil, err
	}
	return json.Marshal(spec)
}

// importAll imports images, unpacked.
func (b Builder) importAll(ctx context.Context, u unpacker, images []image.Image) error {
	for _, img := range images {
		b.say("unpacking %s", img.Ref)
		if err := load(ctx, img, u.ctr("images", "import", "--local")); err != nil {
			return fmt.Errorf("unpacking %s: %w", img.Ref, err)
		}
	}
	return nil
}

// alias gives the nodes' own images the names that kubeadm and kind's containerd
// look for.
func (u unpacker) alias(ctx context.Context) error {
	wanted, err := docker(ctx, nil, "exec", u.id, "kubeadm", "config", "images", "list", "--kubernetes-version", components.KubernetesVersion)
	if err != nil {
		return err
	}
	for to, from := range aliases(strings.Fields(wanted)) {
		if _, err := docker(ctx, nil, u.ctr("images", "tag", "--force", from, to)...); err != nil {
			return err
		}
	}
	return nil
}

// load imports an image, unpacked when that can be.
func load(ctx context.Context, img image.Image, command []string) error {
	packed, err := staysPacked(img.Archive)
	if err != nil {
		return err
	}
	how := "--discard-unpacked-layers"
	if packed {
		how = "--no-unpack"
	}
	f, err := os.Open(img.Archive)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = docker(ctx, f, append(command, how, "-")...)
	return err
}

// sandboxRef is the image of pods' sandboxes in kind's configuration of
// containerd.
const sandboxRef = "registry.k8s.io/pause:3.10"

// aliases are the names that kubeadm looks for, with the images that they are to
// mean.
func aliases(wanted []string) map[string]string {
	all := map[string]string{sandboxRef: pauseRef}
	for _, ref := range wanted {
		switch {
		case strings.Contains(ref, "/coredns"):
			all[ref] = dnsRef
		case strings.Contains(ref, "/pause:"):
			all[ref] = pauseRef
		default:
			all[ref] = kubeRef
		}
	}
	return all
}

// waitContainerd waits until containerd answers.
func waitContainerd(ctx context.Context, version []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, unpackDeadline, fmt.Errorf("not within %s", unpackDeadline))
	defer cancel()
	for {
		_, err := docker(ctx, nil, version...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd, which unpacks images: %w; last: %w", context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond): // nothing announces its socket outside
		}
	}
}

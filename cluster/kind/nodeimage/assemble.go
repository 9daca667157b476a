package nodeimage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"squall/cluster/components"
	"squall/workloads/image"
)

// unpackDeadline bounds the start of containerd in the container where images are
// unpacked; it takes a second.
const unpackDeadline = time.Minute

// assemble makes the node image: it starts the base with nothing but containerd
// in it, has that unpack the images, and puts its folder into an image over the
// base.
func (b Builder) assemble(ctx context.Context, base image.Image, images []image.Image, key, ref string) (err error) {
	b.say("loading the base of the node image")
	if _, err := docker(ctx, nil, "load", "--quiet", "--input", base.Archive); err != nil {
		return err
	}
	// It has a name before it is made, so that it is removed also when making or
	// starting it fails halfway.
	id := "squall-node-image-" + key + "-" + strings.ToLower(rand.Text()[:8])
	defer func() {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), unpackDeadline)
		defer cancel()
		_, late := docker(undo, nil, "rm", "--force", "--volumes", id)
		err = errors.Join(err, late)
	}()
	_, err = docker(ctx, nil, "run", "--detach", "--name", id, "--privileged", "--label", labelBuild+"="+key, "--network", "none",
		"--tmpfs", "/run", "--tmpfs", "/tmp", "--volume", "/var/lib/containerd", "--entrypoint", "/usr/local/bin/containerd", baseRef)
	if err != nil {
		return err
	}
	spec, err := b.containerSpec(ctx, id)
	if err != nil {
		return err
	}
	if err := b.unpack(ctx, id, images); err != nil {
		return err
	}
	return b.seal(ctx, id, spec, key, ref)
}

// containerSpec is what every container of a node starts from: containerd's own
// default, without limits, which the host may not let be raised.
func (b Builder) containerSpec(ctx context.Context, id string) ([]byte, error) {
	out, err := docker(ctx, nil, "exec", id, "ctr", "oci", "spec")
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

// unpack imports the images and gives the nodes' own the names that kubeadm and
// kind's containerd look for.
func (b Builder) unpack(ctx context.Context, id string, images []image.Image) error {
	ctr := func(args ...string) []string {
		return append([]string{"exec", "--interactive", id, "ctr", "--namespace", "k8s.io"}, args...)
	}
	if err := waitContainerd(ctx, ctr("version")); err != nil {
		return err
	}
	for _, img := range images {
		b.say("unpacking %s", img.Ref)
		if err := load(ctx, img, ctr("images", "import", "--local")); err != nil {
			return fmt.Errorf("unpacking %s: %w", img.Ref, err)
		}
	}
	wanted, err := docker(ctx, nil, "exec", id, "kubeadm", "config", "images", "list", "--kubernetes-version", components.KubernetesVersion)
	if err != nil {
		return err
	}
	for to, from := range aliases(strings.Fields(wanted)) {
		if _, err := docker(ctx, nil, ctr("images", "tag", "--force", from, to)...); err != nil {
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

// seal makes an image of the base and what containerd has unpacked.
func (b Builder) seal(ctx context.Context, id string, spec []byte, key, ref string) error {
	b.say("sealing the node image")
	folder := filepath.Join(b.Cache, "kind", "sealing")
	if err := os.RemoveAll(folder); err != nil { // of a builder that was killed
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if _, err := docker(ctx, nil, "stop", "--time", "30", id); err != nil { // with SIGRTMIN+3 it would not end
		return err
	}
	if err := copyOut(ctx, id, "/var/lib/containerd", filepath.Join(folder, "store.tar")); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"cri-base.json": string(spec),
		"Dockerfile": "FROM " + baseRef + "\nADD store.tar /var/lib/\nCOPY cri-base.json /etc/containerd/cri-base.json\n" +
			"LABEL " + labelImage + "=" + key + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	_, err := docker(ctx, nil, "build", "--quiet", "--network", "none", "--tag", ref, folder)
	return err
}

// copyOut writes a folder of a container to a tar file.
func copyOut(ctx context.Context, id, from, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(dockerTo(ctx, f, "cp", id+":"+from, "-"), f.Close())
}

package nodeimage

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"squall/cluster/components"
	"squall/workloads/image"
)

// PublishedRef is the image that kind's project publishes whose version is nearest
// to the components' (kind v0.33.0's release notes).
const PublishedRef = "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"

// Labels of an image that was made over a published one.
const (
	labelFrom    = "dev.squall.from"       // its reference
	labelPulled  = "dev.squall.pulled"     // that it was not in the engine before
	labelVersion = "dev.squall.kubernetes" // its version of Kubernetes
)

// CheckRef refuses a reference that does not say which image it means for ever.
func CheckRef(ref string) error {
	if regexp.MustCompile(`^[a-z0-9][^@\s]*@sha256:[0-9a-f]{64}$`).MatchString(ref) {
		return nil
	}
	return fmt.Errorf("%q is no image pinned by its digest, such as %s", ref, PublishedRef)
}

// fromPublished makes the image of nodes over a published one: besides its own it
// has the images of the nodes' other programs, Squall's units, and those asked for.
func (b Builder) fromPublished(ctx context.Context, system, images []image.Image) (Image, error) {
	if err := CheckRef(b.From); err != nil {
		return Image{}, err
	}
	// It has Kubernetes itself; nodes' other programs are Squall's everywhere.
	others := slices.DeleteFunc(slices.Clone(system), func(i image.Image) bool { return i.Ref == kubeRef })
	images = append(others, images...)
	key := keyOf("", image.Image{Digest: b.From}, images)
	made := Image{Ref: "squall.local/node:" + key, From: b.From}
	err := b.once(ctx, made.Ref, func(ctx context.Context) error {
		return b.assembleOver(ctx, images, key, made.Ref)
	})
	if err != nil {
		return Image{}, fmt.Errorf("making the node image from %s: %w", b.From, err)
	}
	made.KubernetesVersion, err = docker(ctx, nil, "image", "inspect", "--format", `{{index .Config.Labels "`+labelVersion+`"}}`, made.Ref)
	return made, err
}

// assembleOver is assemble over a published image. When it fails, what was pulled
// for it is removed.
func (b Builder) assembleOver(ctx context.Context, images []image.Image, key, ref string) (err error) {
	pulled, err := b.pull(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && pulled {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), unpackDeadline)
			defer cancel()
			_, late := docker(undo, nil, "image", "rm", b.From)
			err = errors.Join(err, late)
		}
	}()
	u, err := b.startUnpacker(ctx, key, b.From)
	if err != nil {
		return fmt.Errorf("%w; is it a node image of kind?", err)
	}
	return u.endAfter(ctx, func() error {
		version, err := docker(ctx, nil, "exec", u.id, "cat", "/kind/version")
		if err != nil {
			return fmt.Errorf("%w; is it a node image of kind?", err)
		}
		if err := sameMinor(version); err != nil {
			return err
		}
		if err := b.importAll(ctx, u, images); err != nil {
			return err
		}
		labels := map[string]string{labelImage: key, labelFrom: b.From, labelVersion: version}
		if pulled {
			labels[labelPulled] = "true"
		}
		return b.seal(ctx, u, ref, sealing{base: b.From, labels: labels, add: writeOverlay})
	})
}

// pull has the engine fetch the image unless it has it, and tells whether it did.
func (b Builder) pull(ctx context.Context) (pulled bool, err error) {
	if _, err := docker(ctx, nil, "image", "inspect", "--format", "{{.Id}}", b.From); err == nil {
		return false, nil
	}
	b.say("pulling %s", b.From)
	if _, err := docker(ctx, nil, "pull", "--quiet", b.From); err != nil {
		return false, fmt.Errorf("%w; where no registry answers leave --node-image out: Squall's own needs none", err)
	}
	return true, nil
}

// sameMinor refuses a version whose components need not know the flags, feature
// gates and configurations that clusters are given.
func sameMinor(version string) error {
	minor := func(v string) string { return strings.Join(strings.SplitN(v, ".", 3)[:2], ".") }
	if strings.Count(version, ".") == 2 && minor(version) == minor(components.KubernetesVersion) {
		return nil
	}
	return fmt.Errorf("it has Kubernetes %s, and this Squall is made for %s: take an image of one of its patches, such as %s",
		version, minor(components.KubernetesVersion), PublishedRef)
}

// writeOverlay writes a tar file of what Squall adds to a published image: its
// units, started, and nothing where kind would put a network and volumes of its own.
func writeOverlay(to io.Writer) error {
	out := tar.NewWriter(to)
	for _, f := range append(unitFiles(), placeholderFiles()...) {
		head := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Mode: 0o644, Size: int64(len(f.Content)), Typeflag: tar.TypeReg}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(f.Content); err != nil {
			return err
		}
	}
	for _, unit := range []string{prepareUnit, nodeUnit} {
		head := &tar.Header{Name: "etc/systemd/system/multi-user.target.wants/" + unit, Linkname: "/etc/systemd/system/" + unit,
			Mode: 0o777, Typeflag: tar.TypeSymlink}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
	}
	return out.Close()
}

// pulledFor are the published images that were fetched for a node image.
func pulledFor(ctx context.Context, refs []string) ([]string, error) {
	var all []string
	for _, ref := range refs {
		from, err := docker(ctx, nil, "image", "inspect", "--format",
			`{{if index .Config.Labels "`+labelPulled+`"}}{{index .Config.Labels "`+labelFrom+`"}}{{end}}`, ref)
		if err != nil {
			return nil, err
		}
		if from != "" && !slices.Contains(all, from) {
			all = append(all, from)
		}
	}
	return all, nil
}

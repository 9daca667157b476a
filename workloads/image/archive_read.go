package image

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// readArchive finds the images of an archive of any form. An OCI layout that is
// a tar file is unpacked into the folder dir.
func readArchive(ctx context.Context, where, dir string) ([]candidate, error) {
	info, err := os.Stat(where)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readLayout(where)
	}
	open := func() (io.ReadCloser, error) { return openTar(where) }
	names := map[string]bool{}
	err = eachFile(ctx, open, func(h *tar.Header, _ io.Reader) error {
		names[path.Clean(h.Name)] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("it is no tar file: %w", err)
	}
	// "docker save" writes both forms at once; the OCI one carries more.
	switch {
	case names["index.json"] && names["oci-layout"]:
		if err := unpackLayout(ctx, open, dir); err != nil {
			return nil, fmt.Errorf("unpack it: %w", err)
		}
		return readLayout(dir)
	case names["manifest.json"]:
		return readDocker(open)
	}
	return nil, errors.New("it is neither a docker archive nor an OCI layout: it has neither manifest.json nor index.json")
}

// openTar opens a tar file, which may be compressed with gzip.
func openTar(where string) (io.ReadCloser, error) {
	file, err := os.Open(where)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReader(file)
	if magic, err := buffered.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b { // RFC 1952, 2.3.1
		return both{buffered, file}, nil
	}
	plain, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return both{plain, file}, nil
}

// both reads from one and closes the other.
type both struct {
	io.Reader
	io.Closer
}

// eachFile calls do for all files of a tar file.
func eachFile(ctx context.Context, open tarball.Opener, do func(*tar.Header, io.Reader) error) error {
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	in := tar.NewReader(file)
	for ctx.Err() == nil {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(h, in); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return context.Cause(ctx)
}

// unpackLayout unpacks an OCI layout. Nothing can get out of the folder.
func unpackLayout(ctx context.Context, open tarball.Opener, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return eachFile(ctx, open, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil // a layout is files in folders; docker adds links for its old form
		}
		name := path.Clean(h.Name)
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		out, err := root.Create(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		return errors.Join(err, out.Close())
	})
}

// readDocker finds the images of a docker archive; each tag is a candidate.
func readDocker(open tarball.Opener) ([]candidate, error) {
	manifest, err := tarball.LoadManifest(open)
	if err != nil {
		return nil, fmt.Errorf("read its manifest.json: %w", err)
	}
	var candidates []candidate
	for _, described := range manifest {
		if len(described.RepoTags) == 0 && len(manifest) == 1 {
			img, err := tarball.Image(open, nil)
			return []candidate{{img: img}}, err
		}
		for _, text := range described.RepoTags {
			tag, err := name.NewTag(text)
			if err != nil {
				return nil, fmt.Errorf("its image is called %q: %w", text, err)
			}
			img, err := tarball.Image(open, &tag)
			if err != nil {
				return nil, fmt.Errorf("its image %s: %w", text, err)
			}
			candidates = append(candidates, candidate{ref: fullName(tag), img: img})
		}
	}
	return candidates, nil
}

// fullName is a reference as pods name it; the library calls Docker's registry
// by its old name.
func fullName(tag name.Tag) string {
	if rest, ok := strings.CutPrefix(tag.Name(), "index.docker.io/"); ok {
		return "docker.io/" + rest
	}
	return tag.Name()
}

// The annotations by which layouts name images: the first is containerd's and
// always a full reference, the second OCI's (image-spec, annotations.md) and
// often a mere tag.
const (
	containerdName = "io.containerd.image.name"
	ociName        = "org.opencontainers.image.ref.name"
)

// readLayout finds the images of an OCI layout.
func readLayout(dir string) ([]candidate, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("it is no OCI layout: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read its index.json: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read its index.json: %w", err)
	}
	var candidates []candidate
	unnamed := map[v1.Hash]bool{}
	for _, d := range manifest.Manifests {
		if attests(d) {
			continue
		}
		img, err := pickPlatform(index, d)
		if err != nil {
			return nil, err
		}
		c := candidate{ref: layoutName(d), img: img}
		if c.ref == "" && unnamed[d.Digest] {
			continue
		}
		unnamed[d.Digest] = true
		candidates = append(candidates, c)
	}
	return onePlatform(candidates), nil
}

// onePlatform drops images for other platforms, should the layout's own index
// be one of platforms.
func onePlatform(candidates []candidate) []candidate {
	var fit []candidate
	for _, c := range candidates {
		if checkPlatform(c.img) == nil {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return candidates // the error then names what there is
	}
	return fit
}

// attests tells whether an entry is a note about an image instead of one.
func attests(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" || d.Platform != nil && d.Platform.OS == "unknown"
}

func layoutName(d v1.Descriptor) string {
	for _, key := range []string{containerdName, ociName} {
		text := d.Annotations[key]
		if !strings.Contains(text, "/") && !strings.Contains(text, ":") {
			continue // a mere tag
		}
		if tag, err := name.NewTag(text); err == nil {
			return fullName(tag)
		}
	}
	return ""
}

// pickPlatform opens an image, and of an index the image for this machine.
func pickPlatform(index v1.ImageIndex, d v1.Descriptor) (v1.Image, error) {
	if !d.MediaType.IsIndex() {
		if d.MediaType != "" && !d.MediaType.IsImage() {
			return nil, fmt.Errorf("it holds something of type %s, which is no image", d.MediaType)
		}
		return index.Image(d.Digest)
	}
	inner, err := index.ImageIndex(d.Digest)
	if err != nil {
		return nil, fmt.Errorf("read its index %s: %w", d.Digest, err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read its index %s: %w", d.Digest, err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		if m.Platform == nil || attests(m) {
			continue
		}
		if m.Platform.Satisfies(hostPlatform()) && m.MediaType != types.OCIImageIndex {
			return inner.Image(m.Digest)
		}
		platforms = append(platforms, m.Platform.String())
	}
	return nil, fmt.Errorf("it has no image for %s, only for %s", hostPlatform(), strings.Join(platforms, ", "))
}

// openArchive opens an archive that seal wrote.
func openArchive(path, ref string) (v1.Image, error) {
	tag, err := parseRef(ref)
	if err != nil {
		return nil, err
	}
	return tarball.ImageFromPath(path, &tag)
}

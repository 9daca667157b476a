package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"squall/workloads/image/cache"
)

// The files of a cache entry.
const (
	archiveFile = "image.tar"
	digestFile  = "digest"
)

// packFormat is part of every key: raise it when the way of packing changes.
const packFormat = "image 1"

// accounts are /etc/passwd and /etc/group: the names that programs look up.
const (
	passwd = "root:x:0:0:root:/:/\nnobody:x:65532:65532:nobody:/tmp:/\n"
	group  = "root:x:0:\nnobody:x:65532:\n"
)

func (s spec) validate() error {
	if !nameForm.MatchString(s.name) {
		return fmt.Errorf("image %q: %q is no name for a program: use lower-case letters, digits, dots and dashes", s.ref, s.name)
	}
	if _, err := parseRef(s.ref); err != nil {
		return err
	}
	if !userForm.MatchString(s.user) {
		return fmt.Errorf("image %s: user %q is neither \"uid\" nor \"uid:gid\" in numbers", s.ref, s.user)
	}
	if err := validateEnv(s.env); err != nil {
		return fmt.Errorf("image %s: %w", s.ref, err)
	}
	return nil
}

// key is the cache key of the image that s and the binary make.
func (s spec) key(binary string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%q\n%q %q %q %q %q\n", packFormat, runtime.GOARCH, binary, s.name, s.ref, s.user, s.args, s.env)
	return "image-" + s.name + "-" + hex.EncodeToString(sum.Sum(nil))[:24]
}

// pack makes the image of a binary, or finds it in the cache.
func (b Builder) pack(ctx context.Context, store cache.Store, s spec, from source) (Image, error) {
	entry, err := store.Make(ctx, s.key(from.key), func(ctx context.Context, out, scratch string) error {
		b.say("packing image %s", s.ref)
		return s.write(ctx, from.path, out, scratch)
	})
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", s.ref, err)
	}
	return sealed(entry, s.ref)
}

// write writes the archive and its digest to the folder out.
func (s spec) write(ctx context.Context, binary, out, scratch string) error {
	layerPath := filepath.Join(scratch, "layer.tar")
	if err := s.writeLayer(ctx, binary, layerPath); err != nil {
		return fmt.Errorf("write its layer: %w", err)
	}
	layer, err := openLayer(layerPath)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	img, err = mutate.ConfigFile(img, s.config(layer))
	if err != nil {
		return err
	}
	return seal(img, s.ref, out)
}

// config is the image's configuration. It names no time: the same inputs make
// the same image.
func (s spec) config(layer *layer) *v1.ConfigFile {
	return &v1.ConfigFile{
		OS:           "linux",
		Architecture: runtime.GOARCH,
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer.hash}},
		Config: v1.Config{
			Entrypoint: []string{"/" + s.name},
			Cmd:        s.args,
			Env:        s.env,
			User:       s.user,
			WorkingDir: "/",
		},
	}
}

// writeLayer writes the layer's tar file: the binary, the accounts, /tmp.
func (s spec) writeLayer(ctx context.Context, binary, path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := tar.NewWriter(file)
	for _, dir := range []struct {
		name string
		mode int64
	}{{"etc/", 0o755}, {"tmp/", 0o1777}} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir.name, Mode: dir.mode}); err != nil {
			return err
		}
	}
	for _, f := range []struct{ name, content string }{{"etc/group", group}, {"etc/passwd", passwd}} {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.content))}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			return err
		}
	}
	if err := addBinary(ctx, w, s.name, binary); err != nil {
		return err
	}
	return w.Close()
}

// addBinary adds the binary, and fails when it changes meanwhile.
func addBinary(ctx context.Context, w *tar.Writer, as, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: as, Mode: 0o755, Size: before.Size()}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	after, err := os.Stat(path)
	if err != nil {
		return err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
		return fmt.Errorf("%s changed while it was read; try again when it is complete", path)
	}
	return ctx.Err()
}

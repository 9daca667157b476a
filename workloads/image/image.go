// Package image makes OCI images from Go programs, without Docker and without a
// registry.
//
// It is a leaf: cluster providers and workloads both import it, it imports
// nothing of Squall's but its own parts. Those are [squall/workloads/image/cache],
// which keeps what was made, and [squall/workloads/image/gobuild], which compiles;
// squall/cluster/components stands on the same two.
package image

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"squall/workloads/image/cache"
	"squall/workloads/image/gobuild"
)

// Program is a Go program that becomes an image of one layer: the static
// binary at /<Name>, which is the entrypoint, run as user 65532.
type Program struct {
	// Name is the binary's name.
	Name string
	// Ref is the image's full reference as pods name it, for example
	// "squall.local/shop:v1".
	Ref string
	// Source is a module: go.mod, go.sum and the Go files. A name that ends in
	// ".txt" loses that ending when it is written out, since go:embed cannot
	// carry a go.mod.
	Source fs.FS
	// Package is the package to build, relative to the module; default ".".
	Package string
	// LDFlags are added to the linker's, for example "-X main.version=v1".
	LDFlags string
	// Env are the image's default environment.
	Env []string
}

// Binary is a static Linux binary, already built, that becomes an image of one
// layer: the binary at /<Name>, which is the entrypoint.
type Binary struct {
	// Name is the binary's name in the image.
	Name string
	// Ref is the image's full reference as pods name it.
	Ref string
	// Path is the binary's path on the host.
	Path string
	// Args are the default arguments (Docker's CMD).
	Args []string
	// Env are the image's default environment, each "NAME=value".
	Env []string
	// User is "uid" or "uid:gid", in numbers; default [DefaultUser]. A program
	// that binds a port below 1024 wants "0:0" or a capability from its pod.
	User string
}

// DefaultUser runs images that name no user: "nobody", as /etc/passwd in the
// image calls it. It is a number so that runAsNonRoot can be checked.
const DefaultUser = "65532:65532"

// Image is a built image in the cache.
type Image struct {
	Ref string
	// Digest is that of the manifest, "sha256:…". The same inputs always give
	// the same one. A container runtime that imports the archive writes a
	// manifest of its own, with another digest.
	Digest string
	// Archive is the path of a docker-archive tarball, complete and never
	// changed; containerd can import it.
	Archive string
}

// Builder builds images into a cache folder. Two builders at once, in one
// process or in several, are safe.
type Builder struct {
	// Dir is the cache folder, made when absent.
	Dir string
	// Progress, when not nil, is called with one sentence as work begins.
	Progress func(string)
}

// DefaultDir is where images are cached unless told otherwise: squall/images in
// the user's cache folder.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for cached images: %w; set XDG_CACHE_HOME to an absolute path", err)
	}
	return filepath.Join(dir, "squall", "images"), nil
}

// FromProgram compiles a program for Linux on this machine's architecture and
// makes its image, or finds both in the cache. A failed compilation is a
// [*gobuild.CompileError]; a missing go command wraps [os/exec.ErrNotFound].
func (b Builder) FromProgram(ctx context.Context, p Program) (Image, error) {
	s := spec{name: p.Name, ref: p.Ref, env: p.Env, user: DefaultUser}
	if err := s.validate(); err != nil {
		return Image{}, err
	}
	store, err := b.store()
	if err != nil {
		return Image{}, err
	}
	pkg := p.Package
	if pkg != "" && !strings.HasPrefix(pkg, ".") {
		pkg = "./" + pkg
	}
	target := gobuild.Target{
		Name:     p.Name,
		Source:   p.Source,
		Programs: []gobuild.Program{{Name: p.Name, Package: pkg}},
		LDFlags:  p.LDFlags,
		Starting: func() { b.say("compiling %s for image %s", p.Name, p.Ref) },
	}
	entry, err := target.Build(ctx, store)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", p.Ref, err)
	}
	return b.pack(ctx, store, s, source{path: entry.Path(p.Name), key: entry.Key})
}

// FromBinary makes the image of a binary, or finds it in the cache. The cache
// takes a binary for unchanged while path, size and modification time are.
func (b Builder) FromBinary(ctx context.Context, bin Binary) (Image, error) {
	s := spec{name: bin.Name, ref: bin.Ref, args: bin.Args, env: bin.Env, user: bin.User}
	if s.user == "" {
		s.user = DefaultUser
	}
	if err := s.validate(); err != nil {
		return Image{}, err
	}
	store, err := b.store()
	if err != nil {
		return Image{}, err
	}
	path, err := filepath.Abs(bin.Path)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", bin.Ref, err)
	}
	key, err := fileKey(path)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: the binary: %w", bin.Ref, err)
	}
	return b.pack(ctx, store, s, source{path: path, key: key})
}

// Verify reads every byte of the cache and removes what is damaged; it is made
// again when it is next asked for. Progress is told what was removed.
func (b Builder) Verify(ctx context.Context) error {
	store, err := b.store()
	if err != nil {
		return err
	}
	damaged, err := store.Verify(ctx)
	for _, key := range damaged {
		b.say("removed %s from the image cache: it was damaged", key)
	}
	return err
}

func (b Builder) store() (cache.Store, error) {
	dir, err := filepath.Abs(b.Dir)
	if err != nil || b.Dir == "" {
		return cache.Store{}, fmt.Errorf("the image cache's folder %q is not usable: give an absolute path", b.Dir)
	}
	waiting := func() { b.say("waiting for another image to be built in %s", dir) }
	return cache.Store{Dir: dir, Waiting: waiting}, nil
}

func (b Builder) say(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// source is the binary that goes into an image.
type source struct {
	path string
	// key stands for the binary's content in the image's cache key.
	key string
}

// fileKey stands for the content of a file, without reading it. A writer that
// keeps both size and time could fool it; compilers and copies do not.
func fileKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	return fmt.Sprintf("%q %d %d", path, info.Size(), info.ModTime().UnixNano()), nil
}

// spec is what an image is besides its binary.
type spec struct {
	name, ref, user string
	args, env       []string
}

// nameForm keeps names usable as file names and in cache keys.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

// userForm is a user id, and a group id if wanted.
var userForm = regexp.MustCompile(`^[0-9]{1,9}(:[0-9]{1,9})?$`)

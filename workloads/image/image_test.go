package image_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image"
	"squall/workloads/image/gobuild"
)

func program() image.Program {
	return image.Program{
		Name: "hi",
		Ref:  "squall.local/hi:v1",
		Source: fstest.MapFS{
			"go.mod.txt":      {Data: []byte("module tiny\n\ngo 1.26\n")},
			"go.sum.txt":      {},
			"cmd/main.go.txt": {Data: []byte("package main\n\nvar version = \"none\"\n\nfunc main() { println(version) }\n")},
		},
		Package: "cmd",
		LDFlags: "-X main.version=v1",
		Env:     []string{"MODE=test"},
	}
}

// binary writes a file that stands for a program.
func binary(t *testing.T, content string) image.Binary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some-file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	return image.Binary{Name: "server", Ref: "squall.local/server:v1", Path: path}
}

// builder is one with a cache of its own, and what it has said.
func builder(t *testing.T) (image.Builder, *[]string) {
	t.Helper()
	var mu sync.Mutex
	var said []string
	return image.Builder{Dir: t.TempDir(), Progress: func(s string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, s)
	}}, &said
}

func TestFromProgramReadBack(t *testing.T) {
	b, said := builder(t)
	got, err := b.FromProgram(t.Context(), program())
	require.NoError(t, err)
	assert.Equal(t, "squall.local/hi:v1", got.Ref)
	assert.Len(t, *said, 2, "%q", *said)

	img, files := readBack(t, got)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "linux", config.OS)
	assert.Equal(t, runtime.GOARCH, config.Architecture)
	assert.Equal(t, []string{"/hi"}, config.Config.Entrypoint)
	assert.Equal(t, []string{"MODE=test"}, config.Config.Env)
	assert.Equal(t, image.DefaultUser, config.Config.User)
	assert.Empty(t, config.Config.Cmd)

	assert.Contains(t, string(files["etc/passwd"].content), "nobody:x:65532:")
	assert.EqualValues(t, 0o1777, files["tmp/"].header.Mode)
	assert.EqualValues(t, 0o755, files["hi"].header.Mode)
	assert.Len(t, files, 5)
	for name, f := range files {
		assert.Equal(t, time.Unix(0, 0).UTC(), f.header.ModTime.UTC(), "time of %s", name)
	}
	// What is in the image is the program.
	out := filepath.Join(t.TempDir(), "hi")
	require.NoError(t, os.WriteFile(out, files["hi"].content, 0o755))
	printed, err := exec.CommandContext(t.Context(), out).CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "v1\n", string(printed))

	again, err := b.FromProgram(t.Context(), program())
	require.NoError(t, err)
	assert.Equal(t, got, again)
	assert.Len(t, *said, 2, "the second time nothing is done")
}

func TestSameInputsSameDigest(t *testing.T) {
	one, _ := builder(t)
	two, _ := builder(t)
	a, err := one.FromProgram(t.Context(), program())
	require.NoError(t, err)
	b, err := two.FromProgram(t.Context(), program())
	require.NoError(t, err)
	assert.Equal(t, a.Digest, b.Digest)
	assert.Equal(t, read(t, a.Archive), read(t, b.Archive), "the archives differ")

	// A binary in another place, written at another time.
	c, err := one.FromBinary(t.Context(), binary(t, "same"))
	require.NoError(t, err)
	d, err := one.FromBinary(t.Context(), binary(t, "same"))
	require.NoError(t, err)
	assert.Equal(t, c.Digest, d.Digest)
	assert.NotEqual(t, a.Digest, c.Digest)
}

func TestFromBinaryConfig(t *testing.T) {
	b, said := builder(t)
	bin := binary(t, "content")
	bin.User, bin.Args, bin.Env = "0:0", []string{"-conf", "/etc/x"}, []string{"A=b"}
	got, err := b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	img, files := readBack(t, got)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, []string{"/server"}, config.Config.Entrypoint)
	assert.Equal(t, bin.Args, config.Config.Cmd)
	assert.Equal(t, bin.Env, config.Config.Env)
	assert.Equal(t, "0:0", config.Config.User)
	assert.Equal(t, "content", string(files["server"].content))

	_, err = b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	assert.Len(t, *said, 1, "found in the cache")
	bin.Args = nil
	other, err := b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	assert.NotEqual(t, got.Digest, other.Digest)

	// The binary changes: so does the image.
	require.NoError(t, os.WriteFile(bin.Path, []byte("CONTENT"), 0o755))
	later := time.Now().Add(time.Minute)
	require.NoError(t, os.Chtimes(bin.Path, later, later))
	changed, err := b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	assert.NotEqual(t, other.Digest, changed.Digest)
}

func TestCorruptedArchiveIsMadeAgain(t *testing.T) {
	b, said := builder(t)
	bin := binary(t, "content")
	got, err := b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	want := read(t, got.Archive)

	require.NoError(t, os.Truncate(got.Archive, 100))
	again, err := b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	assert.Equal(t, got, again)
	assert.Equal(t, want, read(t, got.Archive))
	assert.Len(t, *said, 2)

	// One byte, with size and time kept: for Verify to find.
	info, err := os.Stat(got.Archive)
	require.NoError(t, err)
	damaged := []byte(want)
	damaged[700] ^= 1
	require.NoError(t, os.Chmod(got.Archive, 0o644))
	require.NoError(t, os.WriteFile(got.Archive, damaged, 0o644))
	require.NoError(t, os.Chmod(got.Archive, info.Mode()))
	require.NoError(t, os.Chtimes(got.Archive, info.ModTime(), info.ModTime()))
	require.NoError(t, b.Verify(t.Context()))
	require.Len(t, *said, 3)
	assert.Contains(t, (*said)[2], "damaged")
	_, err = b.FromBinary(t.Context(), bin)
	require.NoError(t, err)
	assert.Equal(t, want, read(t, got.Archive))
}

func TestManyBuildersAtOnce(t *testing.T) {
	b, said := builder(t)
	bin := binary(t, "content")
	digests := make([]string, 12)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			var img image.Image
			var err error
			if i%2 == 0 {
				img, err = b.FromBinary(t.Context(), bin)
			} else {
				img, err = b.FromProgram(t.Context(), program())
			}
			assert.NoError(t, err)
			digests[i] = img.Digest
		})
	}
	wg.Wait()
	for i, d := range digests {
		assert.Equal(t, digests[i%2], d)
	}
	var worked int
	for _, s := range *said {
		if !strings.HasPrefix(s, "waiting") {
			worked++
		}
	}
	assert.Equal(t, 3, worked, "compiled once, packed twice: %q", *said)
}

func TestBadInputIsRefused(t *testing.T) {
	b, _ := builder(t)
	refuse := func(want string, change func(*image.Binary)) {
		t.Helper()
		bin := binary(t, "content")
		change(&bin)
		_, err := b.FromBinary(t.Context(), bin)
		assert.ErrorContains(t, err, want)
	}
	refuse("no name for a program", func(b *image.Binary) { b.Name = "../x" })
	refuse("write it in full", func(b *image.Binary) { b.Ref = "shop" })
	refuse("write it in full", func(b *image.Binary) { b.Ref = "squall.local/Shop:v1" })
	refuse("in numbers", func(b *image.Binary) { b.User = "nobody" })
	refuse("NAME=value", func(b *image.Binary) { b.Env = []string{"PATH"} })
	refuse("no such file", func(b *image.Binary) { b.Path = "/nowhere" })
	refuse("is not a file", func(b *image.Binary) { b.Path = "/tmp" })

	broken := program()
	broken.Source.(fstest.MapFS)["cmd/main.go.txt"].Data = []byte("package main\n")
	_, err := b.FromProgram(t.Context(), broken)
	var failed *gobuild.CompileError
	require.ErrorAs(t, err, &failed)
	assert.ErrorContains(t, err, "squall.local/hi:v1")
	_, err = image.Builder{}.FromProgram(t.Context(), program())
	assert.ErrorContains(t, err, "folder")
}

type entry struct {
	header  *tar.Header
	content []byte
}

// readBack reads an archive as a container runtime would, and checks that all
// digests in it are right.
func readBack(t *testing.T, got image.Image) (v1.Image, map[string]entry) {
	t.Helper()
	tag, err := name.NewTag(got.Ref)
	require.NoError(t, err)
	img, err := tarball.ImageFromPath(got.Archive, &tag)
	require.NoError(t, err)
	require.NoError(t, validate.Image(img))
	layers, err := img.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer content.Close()
	files := map[string]entry{}
	r := tar.NewReader(content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return img, files
		}
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		files[h.Name] = entry{header: h, content: data}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

package image_test

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image"
)

// some is an image of random files for a platform.
func some(t *testing.T, platform v1.Platform) v1.Image {
	t.Helper()
	img, err := random.Image(2000, 2)
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = platform.OS, platform.Architecture
	img, err = mutate.ConfigFile(img, config)
	require.NoError(t, err)
	return img
}

func host() v1.Platform  { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }
func other() v1.Platform { return v1.Platform{OS: "linux", Architecture: "riscv64"} }

// platforms is an index of the images, each for the platform it says.
func platforms(t *testing.T, images ...v1.Image) v1.ImageIndex {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, img := range images {
		config, err := img.ConfigFile()
		require.NoError(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	return index
}

func digest(t *testing.T, of interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	hash, err := of.Digest()
	require.NoError(t, err)
	return hash.String()
}

// docker writes a docker archive of images by their names.
func docker(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	tags := map[name.Tag]v1.Image{}
	for ref, img := range images {
		tag, err := name.NewTag(ref)
		require.NoError(t, err)
		tags[tag] = img
	}
	path := filepath.Join(t.TempDir(), "docker.tar")
	require.NoError(t, tarball.MultiWriteToFile(path, tags))
	return path
}

// ociLayout writes a layout folder of one index or image, which is called name.
func ociLayout(t *testing.T, add mutate.Appendable, called string) string {
	t.Helper()
	dir := t.TempDir()
	written, err := layout.Write(dir, empty.Index)
	require.NoError(t, err)
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": called})
	switch a := add.(type) {
	case v1.ImageIndex:
		err = written.AppendIndex(a, named)
	case v1.Image:
		err = written.AppendImage(a, named)
	}
	require.NoError(t, err)
	return dir
}

// pack makes a compressed tar file of a folder.
func pack(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layout.tar.gz")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	zip := gzip.NewWriter(file)
	w := tar.NewWriter(zip)
	require.NoError(t, w.AddFS(os.DirFS(dir)))
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	return path
}

// kept reads the image that was made back.
func kept(t *testing.T, got image.Image) v1.Image {
	t.Helper()
	tag, err := name.NewTag(got.Ref)
	require.NoError(t, err)
	img, err := tarball.ImageFromPath(got.Archive, &tag)
	require.NoError(t, err)
	return img
}

func configDigest(t *testing.T, img v1.Image) string {
	t.Helper()
	hash, err := img.ConfigName()
	require.NoError(t, err)
	return hash.String()
}

func TestFromDockerArchive(t *testing.T) {
	b, said := builder(t)
	one, two := some(t, host()), some(t, host())
	path := docker(t, map[string]v1.Image{"squall.local/one:v1": one, "nginx:1.27": two})
	got, err := b.FromArchive(t.Context(), image.Archive{Path: path, Ref: "docker.io/library/nginx:1.27"})
	require.NoError(t, err)
	assert.Equal(t, "docker.io/library/nginx:1.27", got.Ref)
	assert.Equal(t, configDigest(t, two), configDigest(t, kept(t, got)))
	again, err := b.FromArchive(t.Context(), image.Archive{Path: path, Ref: "docker.io/library/nginx:1.27"})
	require.NoError(t, err)
	assert.Equal(t, got, again)
	assert.Len(t, *said, 1)

	_, err = b.FromArchive(t.Context(), image.Archive{Path: path})
	assert.ErrorContains(t, err, "it holds 2 images: say which with Ref: ")
	assert.ErrorContains(t, err, "squall.local/one:v1")
	_, err = b.FromArchive(t.Context(), image.Archive{Path: path, Ref: "squall.local/three:v1"})
	assert.ErrorContains(t, err, "no image squall.local/three:v1, but ")

	// The only image may be given another name.
	path = docker(t, map[string]v1.Image{"squall.local/one:v1": one})
	got, err = b.FromArchive(t.Context(), image.Archive{Path: path})
	require.NoError(t, err)
	assert.Equal(t, "squall.local/one:v1", got.Ref)
	got, err = b.FromArchive(t.Context(), image.Archive{Path: path, Ref: "squall.local/renamed:v2"})
	require.NoError(t, err)
	assert.Equal(t, "squall.local/renamed:v2", got.Ref)
	assert.Equal(t, configDigest(t, one), configDigest(t, kept(t, got)))
}

func TestFromLayout(t *testing.T) {
	b, _ := builder(t)
	mine := some(t, host())
	dir := ociLayout(t, platforms(t, some(t, other()), mine), "squall.local/app:v1")
	for _, path := range []string{dir, pack(t, dir)} {
		got, err := b.FromArchive(t.Context(), image.Archive{Path: path})
		require.NoError(t, err)
		assert.Equal(t, "squall.local/app:v1", got.Ref)
		assert.Equal(t, digest(t, mine), got.Digest)
		assert.Equal(t, configDigest(t, mine), configDigest(t, kept(t, got)))
	}
	require.NoError(t, b.Verify(t.Context()))

	// A mere tag is no name to call an image by in a cluster.
	tagged := ociLayout(t, mine, "v1")
	_, err := b.FromArchive(t.Context(), image.Archive{Path: tagged})
	assert.ErrorContains(t, err, "give a Ref")
	got, err := b.FromArchive(t.Context(), image.Archive{Path: tagged, Ref: "squall.local/app:v2"})
	require.NoError(t, err)
	assert.Equal(t, digest(t, mine), got.Digest)

	foreign := platforms(t, some(t, other()))
	_, err = b.FromArchive(t.Context(), image.Archive{Path: ociLayout(t, foreign, "squall.local/app:v1")})
	assert.ErrorContains(t, err, "only for linux/riscv64")
	_, err = b.FromArchive(t.Context(), image.Archive{Path: ociLayout(t, some(t, other()), "squall.local/app:v1")})
	assert.ErrorContains(t, err, "it is for linux/riscv64")
}

func TestDamagedArchives(t *testing.T) {
	b, _ := builder(t)
	refuse := func(want, path string) {
		t.Helper()
		_, err := b.FromArchive(t.Context(), image.Archive{Path: path})
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("no archive"), 0o644))
	refuse("it is no tar file", file)
	refuse("no such file", "/nowhere/at/all.tar")
	refuse("has no index.json", t.TempDir())
	refuse("neither manifest.json nor index.json", pack(t, filepath.Dir(file)))

	// One byte of a layer is wrong.
	dir := ociLayout(t, some(t, host()), "squall.local/app:v1")
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	require.NoError(t, err)
	for _, blob := range blobs {
		data, err := os.ReadFile(blob)
		require.NoError(t, err)
		if data[0] != '{' {
			data[len(data)/2] ^= 1
		}
		require.NoError(t, os.Chmod(blob, 0o644))
		require.NoError(t, os.WriteFile(blob, data, 0o644))
	}
	refuse("it is damaged", dir)
	refuse("it is damaged", pack(t, dir))

	// A file that would lie outside.
	path := filepath.Join(t.TempDir(), "evil.tar")
	out, err := os.Create(path)
	require.NoError(t, err)
	w := tar.NewWriter(out)
	for _, entry := range []string{"index.json", "oci-layout", "../../outside"} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: entry, Typeflag: tar.TypeReg, Mode: 0o644, Size: 2, ModTime: time.Unix(0, 0)}))
		_, err := io.WriteString(w, "{}")
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, out.Close())
	refuse("outside", path)
	_, err = os.Stat(filepath.Join(b.Dir, "scratch", "outside"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

package image_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image"
	"squall/workloads/image/apt"
)

// damage changes one byte of a file, with size and time kept.
func damage(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.Chmod(path, 0o644))
	require.NoError(t, os.WriteFile(path, data, 0o644))
	require.NoError(t, os.Chmod(path, info.Mode()))
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func entries(t *testing.T, b image.Builder, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(b.Dir, "entries", pattern))
	require.NoError(t, err)
	return found
}

// TestDebianCache is about what is kept, damaged and asked for again. It has a
// cache of its own and fetches three small packages.
func TestDebianCache(t *testing.T) {
	b, said := builder(t)
	d := image.Debian{Ref: "squall.local/libmd:test", Packages: []string{"libmd0"}}
	one, err := b.FromDebian(t.Context(), d)
	require.NoError(t, err)
	require.Len(t, *said, 3, "lists, packages, image: %q", *said)
	d.Env = []string{"A=b"}
	_, err = b.FromDebian(t.Context(), d)
	require.NoError(t, err)
	require.Len(t, *said, 4, "the image alone: %q", *said)
	// A set that shares packages fetches none of them again.
	more := image.Debian{Ref: d.Ref, Packages: []string{"libbsd0"}}
	_, err = b.FromDebian(t.Context(), more)
	require.NoError(t, err)
	assert.Contains(t, (*said)[4], "fetching 1 Debian packages")

	// A damaged package makes no image, and Verify finds it.
	debs := entries(t, b, "debs-chosen-*/*.deb")
	require.NotEmpty(t, debs)
	damage(t, debs[0])
	d.Env, more.Env = []string{"C=d"}, []string{"C=d"}
	_, err = b.FromDebian(t.Context(), d)
	_, err2 := b.FromDebian(t.Context(), more)
	if err == nil {
		err = err2
	}
	assert.ErrorContains(t, err, "the lock says sha256:")
	require.NoError(t, b.Verify(t.Context()))
	assert.Contains(t, (*said)[len(*said)-1], "damaged")
	_, err = b.FromDebian(t.Context(), d)
	require.NoError(t, err)

	// After a refresh the mirrors are asked again; they say the same.
	require.NoError(t, b.RefreshDebian(t.Context()))
	assert.Empty(t, entries(t, b, "debs-chosen-*"))
	before := len(*said)
	d.Env = nil
	again, err := b.FromDebian(t.Context(), d)
	require.NoError(t, err)
	assert.Equal(t, one, again)
	assert.Equal(t, 2, len(*said)-before, "lists and packages: %q", (*said)[before:])

	// A lock that the mirrors cannot honour.
	lock, err := one.ReadLock()
	require.NoError(t, err)
	i := slices.IndexFunc(lock.Packages, func(p image.Package) bool { return p.Name == "libmd0" })
	d.Packages, d.Lock = nil, &lock
	lock.Packages[i].SHA256 = strings.Repeat("0", 64)
	_, err = b.FromDebian(t.Context(), d)
	assert.ErrorContains(t, err, "the lock says sha256:0000")
	lock.Packages[i].Version = "0.1"
	_, err = b.FromDebian(t.Context(), d)
	require.ErrorIs(t, err, apt.ErrNoVersion)
	assert.ErrorContains(t, err, "it has 1.")
	lock.Architecture = "mips"
	_, err = b.FromDebian(t.Context(), d)
	assert.ErrorContains(t, err, `the lock is for "mips"`)
	assert.Empty(t, entries(t, b, "../scratch/*"), "nothing is left of what failed")

	_, err = image.Image{Ref: "squall.local/x:v1", Archive: "/nowhere/image.tar"}.ReadLock()
	assert.ErrorContains(t, err, "has no lock")
}

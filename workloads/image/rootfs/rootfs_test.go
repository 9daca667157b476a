package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// content is a tar file of the headers; a regular file holds its own name.
func content(t *testing.T, headers ...tar.Header) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		h.ModTime = time.Now()
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(h.Name))
		}
		require.NoError(t, w.WriteHeader(&h))
		if h.Size > 0 {
			_, err := io.WriteString(w, h.Name)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	return &out
}

func newTree(t *testing.T) *Tree {
	t.Helper()
	tree, err := New(t.TempDir(), "amd64")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tree.Close()) })
	return tree
}

// written is the tree's tar file: its bytes, and its entries in words.
func written(t *testing.T, tree *Tree) ([]byte, map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layer.tar")
	require.NoError(t, tree.WriteTar(t.Context(), path))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	r := tar.NewReader(bytes.NewReader(data))
	found, last := map[string]string{}, ""
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return data, found
		}
		require.NoError(t, err)
		assert.Less(t, last, h.Name, "sorted, each once")
		assert.True(t, h.ModTime.Equal(time.Unix(0, 0)))
		last = h.Name
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		switch h.Typeflag {
		case tar.TypeSymlink:
			found[h.Name] = "-> " + h.Linkname
		case tar.TypeLink:
			found[h.Name] = "= " + h.Linkname
		case tar.TypeDir:
			found[h.Name] = fmt.Sprintf("dir %o", h.Mode)
		default:
			found[h.Name] = string(body)
		}
	}
}

func TestTree(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		tree := newTree(t)
		require.NoError(t, tree.addTar("one", content(t,
			tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700},
			tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o755},
			tar.Header{Name: "./bin/z", Mode: 0o4755},
			tar.Header{Name: "./bin/a", Typeflag: tar.TypeLink, Linkname: "./bin/z"},
			tar.Header{Name: "./lib64/ld.so", Typeflag: tar.TypeSymlink, Linkname: "/lib/x/ld.so"},
			tar.Header{Name: "./usr/share/doc/one/copyright"},
			tar.Header{Name: "./usr/share/doc/one/changelog.gz"},
			tar.Header{Name: "./usr/share/man/man1/z.1.gz"},
			tar.Header{Name: "./var/run/one/pid"},
		)))
		_, found := written(t, tree)
		for name, want := range map[string]string{
			"bin": "-> usr/bin", "lib": "-> usr/lib", "sbin": "-> usr/sbin", "lib64": "-> usr/lib64",
			"usr/bin/a": "./bin/z", "usr/bin/z": "= usr/bin/a",
			"usr/lib64/ld.so": "-> /lib/x/ld.so", "run/one/pid": "./var/run/one/pid",
			"tmp/": "dir 1777", "root/": "dir 700",
		} {
			assert.Equal(t, want, found[name], name)
		}
		assert.NotContains(t, found, "usr/share/doc/one/changelog.gz")
		assert.NotContains(t, found, "usr/share/man/")
		archives[i], _ = written(t, tree)
	}
	assert.True(t, bytes.Equal(archives[0], archives[1]), "the same packages at another time give the same bytes")
}

func TestConflicts(t *testing.T) {
	tree := newTree(t)
	shared := tar.Header{Name: "etc/shared/", Typeflag: tar.TypeDir, Mode: 0o755}
	require.NoError(t, tree.addTar("one", content(t, shared, tar.Header{Name: "bin/same"}, tar.Header{Name: "etc/shared/x"})))
	require.NoError(t, tree.addTar("two", content(t, shared, tar.Header{Name: "bin/same"})), "the same content")
	var conflict *ConflictError
	require.ErrorAs(t, tree.addTar("three", content(t, tar.Header{Name: "etc/shared/x", Typeflag: tar.TypeSymlink, Linkname: "y"})), &conflict)
	assert.Equal(t, ConflictError{Path: "/etc/shared/x", One: "one", Other: "three"}, *conflict)
	assert.ErrorContains(t, tree.addTar("four", content(t, tar.Header{Name: "../x"})), "upwards")
	assert.ErrorContains(t, tree.addTar("five", content(t, tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "nothing"})), "is no file")
}

func TestAdd(t *testing.T) {
	tree := newTree(t)
	require.NoError(t, tree.addTar("one", content(t, tar.Header{Name: "etc/conf"}, tar.Header{Name: "etc/d/x"})))
	accounts, err := NewAccounts([]Account{{"redis", 999, 999, "/data"}})
	require.NoError(t, err)
	require.NoError(t, accounts.Write(tree))
	owner, err := accounts.Owner("redis")
	require.NoError(t, err)
	require.NoError(t, tree.AddFile("/etc/conf", Stat{Mode: 0o600, Owner: owner}, []byte("mine")))
	require.NoError(t, tree.AddFile("/sbin/own", Stat{Mode: 0o755 | os.ModeSetuid}, []byte("own")))
	require.NoError(t, tree.AddFolder("/var/run/redis", Stat{Mode: 0o750, Owner: owner}))
	require.NoError(t, tree.AddLink("/bin/sh", "busybox"))
	assert.ErrorContains(t, tree.AddLink("/etc/d", "/elsewhere"), "a folder with files in it")
	assert.ErrorContains(t, tree.AddLink("/", "/elsewhere"), "root folder")
	require.NoError(t, tree.AddLink("/loop", "loop"))
	assert.ErrorContains(t, tree.AddFile("/loop/x", Stat{}, nil), "too many links")

	_, found := written(t, tree)
	assert.Equal(t, "mine", found["etc/conf"])
	assert.Equal(t, "own", found["usr/sbin/own"])
	assert.Equal(t, "dir 750", found["run/redis/"])
	assert.Equal(t, "-> busybox", found["usr/bin/sh"])
	assert.Contains(t, found["etc/passwd"], "redis:x:999:999:redis:/data:/usr/sbin/nologin\n")
	assert.Contains(t, found["etc/group"], "nogroup:x:65534:\n")
	assert.EqualValues(t, 0o4755, tree.nodes["usr/sbin/own"].header.Mode)
	assert.Equal(t, 999, tree.nodes["etc/conf"].header.Uid)
}

func TestAccounts(t *testing.T) {
	_, err := NewAccounts([]Account{{"mine", 33, 33, "/"}})
	assert.ErrorContains(t, err, "www-data with 33")
	accounts, err := NewAccounts(nil)
	require.NoError(t, err)
	for text, want := range map[string]Owner{"": {}, "root": {}, "www-data": {33, 33}, "games": {5, 60}, "7": {7, 7}, "7:8": {7, 8}} {
		got, err := accounts.Owner(text)
		require.NoError(t, err)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"me", "-1", "1:x", "1:2:3"} {
		_, err := accounts.Owner(text)
		assert.ErrorContains(t, err, "neither", text)
	}
}

// What stopped it is said, whatever the unpacking came to.
func TestUnpackingThatIsStoppedSaysBecauseOfWhat(t *testing.T) {
	why := errors.New("the user went home")
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "dpkg-deb"), []byte("#!/bin/sh\n: > \"$2.begun\"\nexec /bin/sleep 60\n"), 0o755))
	t.Setenv("PATH", folder)
	for name, early := range map[string]bool{"before": true, "meanwhile": false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		file := filepath.Join(folder, name)
		if early {
			cancel(why)
		} else {
			go func() {
				for ctx.Err() == nil {
					if _, err := os.Stat(file + ".begun"); err == nil {
						cancel(why)
					}
				}
			}()
		}
		err := new(Tree).AddDeb(ctx, "x", file)
		assert.ErrorIs(t, err, why, name)
		cancel(nil)
	}
}

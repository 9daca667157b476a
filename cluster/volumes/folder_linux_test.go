package volumes_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"squall/cluster/volumes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// tmpfsFolder is a Folder of real mounts, in a mount namespace that belongs to
// the test's thread and goes with it.
func tmpfsFolder(t *testing.T, capacity int64) *volumes.Folder {
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS), "a mount namespace of its own needs root")
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	root := t.TempDir()
	require.NoError(t, unix.Mount("test", root, "tmpfs", 0, ""))
	// The folder is empty again before it is removed from outside.
	t.Cleanup(func() { require.NoError(t, unix.Unmount(root, unix.MNT_DETACH)) })
	return &volumes.Folder{Root: root, Mount: tmpfs, Unmount: volumes.Detach, Capacity: capacity}
}

func TestFolderIsDisks(t *testing.T) {
	checkDisks(t, tmpfsFolder(t, 10*page))
}

func TestFolderBoundsADisk(t *testing.T) {
	f := tmpfsFolder(t, 1<<20)
	path, err := f.Make(t.Context(), "a", 8*page)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o777), info.Mode().Perm(), "any user may write")

	file := filepath.Join(path, "data")
	require.NoError(t, os.WriteFile(file, make([]byte, 8*page), 0o600))
	require.ErrorIs(t, os.WriteFile(filepath.Join(path, "more"), make([]byte, page), 0o600), unix.ENOSPC)

	require.NoError(t, os.Chmod(path, 0o700))
	_, err = f.Make(t.Context(), "a", 16*page)
	require.NoError(t, err)
	info, err = os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "growing leaves the mode alone")
	require.NoError(t, os.WriteFile(filepath.Join(path, "more"), make([]byte, 8*page), 0o600), "it has grown while in use")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Len(t, content, 8*page, "what was there is still there")
	mounts, err := os.ReadFile("/proc/thread-self/mounts")
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(mounts), " "+path+" "), "mounted once")
}

func TestFolderSaysWhatIsLeft(t *testing.T) {
	f := tmpfsFolder(t, 1<<30)
	_, err := f.Make(t.Context(), "a", 256<<20)
	require.NoError(t, err)
	_, err = f.Make(t.Context(), "b", 2<<30)
	require.EqualError(t, err, "not enough space for a volume of 2Gi: 768Mi of the node's 1Gi are left")
}

func TestFolderAfterARestart(t *testing.T) {
	f := tmpfsFolder(t, 10*page)
	path, err := f.Make(t.Context(), "a", 4*page)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(path, "data"), []byte("kept"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(f.Root, "half"), 0o700), "killed between folder and mount")

	after := &volumes.Folder{Root: f.Root, Mount: f.Mount, Unmount: f.Unmount, Capacity: f.Capacity}
	usage, err := after.Usage(t.Context())
	require.NoError(t, err)
	assert.Equal(t, volumes.Usage{Names: []string{"a", "half"}, Free: 6 * page}, usage)
	_, err = after.Make(t.Context(), "a", 4*page)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(path, "data"))
	require.NoError(t, err)
	assert.Equal(t, "kept", string(content))
	require.NoError(t, after.Remove(t.Context(), "half"))
	require.NoError(t, after.Remove(t.Context(), "a"))
	entries, err := os.ReadDir(f.Root)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestFolderRemovesADiskInUse(t *testing.T) {
	f := tmpfsFolder(t, 10*page)
	path, err := f.Make(t.Context(), "a", page)
	require.NoError(t, err)
	open, err := os.Create(filepath.Join(path, "data"))
	require.NoError(t, err)
	defer func() { _ = open.Close() }()
	require.NoError(t, f.Remove(t.Context(), "a"))
	assert.NoDirExists(t, path)
}

func TestFolderGivesUpNothing(t *testing.T) {
	f := tmpfsFolder(t, 10*page)
	f.Unmount = func(string) error { return nil } // says so and does not
	path, err := f.Make(t.Context(), "a", page)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(path, "data"), []byte("kept"), 0o600))
	require.Error(t, f.Remove(t.Context(), "a"))
	assert.FileExists(t, filepath.Join(path, "data"), "a mount that stayed is not emptied")

	f.Mount = func(string, int64) error { return errors.New("no memory") }
	_, err = f.Make(t.Context(), "b", page)
	require.ErrorContains(t, err, "no memory")
	assert.NoDirExists(t, filepath.Join(f.Root, "b"))
}

// TestFolderRefusesTooSmall: what comes out smaller than asked for is no volume.
func TestFolderRefusesTooSmall(t *testing.T) {
	f := tmpfsFolder(t, 10*page)
	f.Mount = func(path string, bytes int64) error { return tmpfs(path, bytes-page) }
	_, err := f.Make(t.Context(), "a", 2*page)
	require.ErrorContains(t, err, "a volume of 8Ki came out with 4Ki")
	assert.NoDirExists(t, filepath.Join(f.Root, "a"))

	f.Mount = tmpfs
	path, err := f.Make(t.Context(), "b", 2*page)
	require.NoError(t, err)
	f.Mount = func(string, int64) error { return nil } // says so and does not
	_, err = f.Make(t.Context(), "b", 4*page)
	require.ErrorContains(t, err, "a volume of 16Ki came out with 8Ki")
	assert.DirExists(t, path, "what was there stays")

	for _, bytes := range []int64{0, -page} {
		_, err = f.Make(t.Context(), "c", bytes)
		require.ErrorContains(t, err, "cannot have")
	}
}

func TestFolderRefusesNames(t *testing.T) {
	f := &volumes.Folder{Root: t.TempDir()}
	for _, name := range []string{"", ".", "..", "a/b", "../a"} {
		_, err := f.Make(t.Context(), name, page)
		require.Error(t, err, name)
		require.Error(t, f.Remove(t.Context(), name), name)
	}
}

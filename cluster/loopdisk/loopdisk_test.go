//go:build linux

package loopdisk_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"squall/cluster/capability"
	"squall/cluster/loopdisk"
	"squall/cluster/volumes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// place is a folder to mount at, in a mount namespace that belongs to the test's
// thread and goes with it.
func place(t *testing.T) string {
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS), "a mount namespace of its own needs root")
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	return t.TempDir()
}

// backing is an empty file to make a disk in.
func backing(t *testing.T) *os.File {
	file, err := os.Create(filepath.Join(t.TempDir(), "backing"))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

func size(t *testing.T, path string) int64 {
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(path, &s))
	return int64(s.Blocks) * s.Bsize
}

// TestADiskIsMountedAgain makes a disk, lets go of it without a word, as a node
// that is killed does, and finds its content in the same file.
func TestADiskIsMountedAgain(t *testing.T) {
	path, file := place(t), backing(t)
	o := loopdisk.Options{Devices: filepath.Join(t.TempDir(), "dev")}
	_, err := loopdisk.Make(file, path, loopdisk.Size(8<<20), o)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, size(t, path), int64(8<<20))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o777), info.Mode().Perm(), "any user may write")
	require.NoError(t, os.WriteFile(filepath.Join(path, "data"), []byte("kept"), 0o600))
	require.NoError(t, os.Chmod(path, 0o700))
	require.NoError(t, volumes.Detach(path))
	require.NoFileExists(t, filepath.Join(path, "data"))

	device, err := loopdisk.Mount(file, path, o)
	require.NoError(t, err)
	defer func() { assert.NoError(t, volumes.Detach(path)) }()
	content, err := os.ReadFile(filepath.Join(path, "data"))
	require.NoError(t, err)
	assert.Equal(t, "kept", string(content))
	info, err = os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "mounting leaves the mode alone")

	err = loopdisk.Grow(file, device, loopdisk.Size(16<<20), o)
	if !capability.SysResource() {
		require.ErrorContains(t, err, "CAP_SYS_RESOURCE")
		assert.Less(t, size(t, path), int64(16<<20))
		return
	}
	require.NoError(t, err)
	assert.GreaterOrEqual(t, size(t, path), int64(16<<20))
}

func TestADiskThatCannotBeMadeSaysWhy(t *testing.T) {
	path, file := place(t), backing(t)
	_, err := loopdisk.Make(file, path, 4096, loopdisk.Options{Devices: filepath.Join(t.TempDir(), "dev")})
	require.ErrorContains(t, err, "mkfs.ext4")
	require.ErrorContains(t, err, "exit status 1")
	mounts, err := os.ReadFile("/proc/thread-self/mounts")
	require.NoError(t, err)
	assert.NotContains(t, string(mounts), path)
}

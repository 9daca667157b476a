package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGivenBackAreLinksAndNotWhereTheyLead gives files to their own owner, which
// everybody may, and to another one, which only root may.
func TestGivenBackAreLinksAndNotWhereTheyLead(t *testing.T) {
	t.Parallel()
	outside, folder := t.TempDir(), t.TempDir()
	made, link := filepath.Join(folder, "made"), filepath.Join(folder, "link")
	require.NoError(t, os.Mkdir(made, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(made, "file"), nil, 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(made, "inside")))
	require.NoError(t, os.Symlink(outside, link))
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 4711, 4712
	}
	require.NoError(t, giveTo(made, uid, gid))
	require.Error(t, giveTo(link, uid, gid), "a link has taken the place of what was made")
	for _, path := range []string{made, filepath.Join(made, "file"), filepath.Join(made, "inside")} {
		assert.Equal(t, uid, ownerOf(t, path), path)
	}
	for _, path := range []string{outside, filepath.Join(outside, "precious"), folder, link} {
		assert.Equal(t, os.Geteuid(), ownerOf(t, path), path)
	}
	require.Error(t, giveTo(filepath.Join(folder, "absent"), uid, gid))
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	return int(stat.Uid)
}

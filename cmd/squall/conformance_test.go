package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A killed run's temporary folder is removed by the next run; that of a run that
// goes on stays.
func TestConformanceFolderIsSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	gone := exec.CommandContext(t.Context(), "true")
	require.NoError(t, gone.Run())
	killed := filepath.Join(os.TempDir(), "squall-conformance-"+strconv.Itoa(gone.Process.Pid)+"-123")
	alive := filepath.Join(os.TempDir(), "squall-conformance-"+strconv.Itoa(os.Getppid())+"-123")
	foreign := filepath.Join(os.TempDir(), "squall-conformance-notes-123")
	for _, folder := range []string{killed, alive, foreign} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "batch-001"), 0o700))
	}
	made, err := conformanceFolder()
	require.NoError(t, err)
	assert.NoDirExists(t, killed)
	assert.DirExists(t, alive)
	assert.DirExists(t, foreign)
	info, err := os.Stat(made)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

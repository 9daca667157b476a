package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What cannot go well is refused before anything is built, which takes minutes.
// Nothing is left behind.
func TestConformanceChecksFirst(t *testing.T) {
	t.Setenv("PATH", "") // no Go: building fails
	folder := t.TempDir()
	there := filepath.Join(folder, "there")
	require.NoError(t, os.Mkdir(there, 0o700))
	absent := filepath.Join(folder, "no", "such")
	for want, args := range map[string][]string{
		"--keep-results " + there + " cannot be written":  {"--keep-results", there},
		"--keep-results " + absent + " cannot be written": {"--list", "--write-images", filepath.Join(folder, "new"), "--keep-results", absent},
		"--write-images " + there + " cannot be made":     {"--write-images", there},
		"--write-images " + absent + " cannot be made":    {"--write-images", absent},
		"--logs " + there + " cannot be made":             {"--kubeconfig", "any", "--logs", there},
		`the cluster name "Not_A_Name" is not usable`:     {"Not_A_Name"},
		"read the kubeconfig " + absent:                   {"--kubeconfig", absent},
	} {
		code, stdout, stderr := runApp(t, append([]string{"--cache", filepath.Join(folder, "cache"), "conformance"}, args...)...)
		assert.Equal(t, exitMisuse, code, "%q", args)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, left, 1, "only what was there")
}

// A list needs nothing of the host, and writes nothing.
func TestConformanceListChecksNothing(t *testing.T) {
	t.Setenv("PATH", "")
	folder := t.TempDir()
	_, _, stderr := runApp(t, "--cache", filepath.Join(folder, "cache"), "conformance", "Not_A_Name", "--list", "--logs", folder)
	assert.Contains(t, stderr, "install Go", "it gets as far as building")
}

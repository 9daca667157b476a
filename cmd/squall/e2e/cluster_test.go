package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClusterOutlivesTheCommandUntilItIsRemoved(t *testing.T) {
	name := fmt.Sprintf("e2e-%d", os.Getpid())
	squall(t, 0, "cluster", "down", name) // removing what is not there succeeds
	up, free := startHolding(t, "cluster", "up", name, "--workers", "1", "--node-cpu", "1", "--node-memory", "1Gi")
	require.Equal(t, 0, up.code(t), up.said())
	stdout := up.stdout.String()
	free(t)
	t.Cleanup(func() { squall(t, 0, "cluster", "down", name) })
	assert.Contains(t, stdout, "cluster "+name+" is up after")
	assert.Contains(t, stdout, "squall cluster down "+name)

	stdout, _ = squall(t, 0, "cluster", "list")
	assert.Regexp(t, `(?m)^`+name+` +embedded +v1\.36\.3 +2 +https?://`, stdout)
	_, stderr := squall(t, 2, "cluster", "up", name)
	assert.Contains(t, stderr, "is up already")

	stdout, _ = squall(t, 0, "kubectl", name, "--", "get", "nodes", "--no-headers")
	assert.Equal(t, 2, strings.Count(stdout, " Ready "), stdout)
	squall(t, 1, "kubectl", name, "--", "get", "nothing-of-this-kind")

	file := filepath.Join(t.TempDir(), "kubeconfig")
	squall(t, 0, "cluster", "kubeconfig", name, "--write", file)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	stdout, _ = squall(t, 0, "cluster", "kubeconfig", name)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(text), stdout)
	squall(t, 0, "cluster", "kubeconfig", name, "--write", file) // its own may be written over
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o644))
	_, stderr = squall(t, 2, "cluster", "kubeconfig", name, "--write", file)
	assert.Contains(t, stderr, "exists and is not a kubeconfig that Squall wrote")

	squall(t, 0, "cluster", "down", name)
	nothingLeft(t, name)
	_, stderr = squall(t, 2, "cluster", "kubeconfig", name)
	assert.Contains(t, stderr, fmt.Sprintf("no cluster named %q is up", name))
}

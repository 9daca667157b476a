package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/kind/engine"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stoppedEngine puts a docker command in front of the real one that finds no
// engine, or an engine again after it was asked that often.
func stoppedEngine(t *testing.T, returnsAfter int) {
	real, err := exec.LookPath("docker")
	require.NoError(t, err, `"make docker" installs it`)
	dir := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
echo x >>%[1]s/asked
if [ "$(wc -l <%[1]s/asked)" -gt %[2]d ]; then exec %[3]s "$@"; fi
echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
exit 1
`, dir, returnsAfter, real)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

const never = 1 << 20

// halfMade is the state folder of a cluster that has no containers.
func halfMade(t *testing.T, name string) string {
	folder := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, state{}.write(folder))
	return folder
}

func TestARemovalWaitsForAnEngineThatIsRestarted(t *testing.T) {
	folder := halfMade(t, "kd-away")
	stoppedEngine(t, 2)
	require.NoError(t, removePatiently(t.Context(), "kd-away", folder, time.Minute))
	assert.NoDirExists(t, folder)
}

func TestARemovalWithoutAnEngineSaysWhatIsLeft(t *testing.T) {
	folder := halfMade(t, "kd-away")
	stoppedEngine(t, never)
	err := removePatiently(t.Context(), "kd-away", folder, 0)
	require.ErrorIs(t, err, cluster.ErrHost, "it is not Squall's fault")
	require.ErrorIs(t, err, engine.ErrStopped)
	assert.ErrorContains(t, err, "its network "+networkName("kd-away")+" are left")
	assert.ErrorContains(t, err, `"squall clean" removes them`)
	assert.DirExists(t, folder, "what finds the rest later")

	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("the user went home"))
	defer cancel()
	err = removePatiently(ctx, "kd-away", folder, time.Hour)
	require.ErrorIs(t, err, cluster.ErrHost)
	assert.ErrorContains(t, err, "the user went home")
}

func TestAnEngineThatWentAwayIsBlamed(t *testing.T) {
	failed := errors.New("waiting for the API server: kubeadm said\nmuch")
	require.Equal(t, failed, blameEngine(t.Context(), "kd-away", failed), "the engine answers, and no container has ended")

	stoppedEngine(t, never)
	err := blameEngine(t.Context(), "kd-away", failed)
	require.ErrorIs(t, err, cluster.ErrHost)
	assert.ErrorContains(t, err, "the Docker engine went away while the cluster came up")
	assert.ErrorContains(t, err, "kubeadm said …")
	assert.NotContains(t, err.Error(), "much")
}

// TestAContainerThatEndedIsBlamed has an engine that was restarted: it answers,
// and what ran in it does not any more.
func TestAContainerThatEndedIsBlamed(t *testing.T) {
	dir := t.TempDir()
	said := fmt.Sprintf(`#!/bin/sh
case $1 in
ps) echo 1 ;;
*) echo '[{"Id":"1","Name":"/kd-away-worker","State":{"Status":"exited","ExitCode":137},"HostConfig":{"NetworkMode":%q}}]' ;;
esac
`, networkName("kd-away"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte(said), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	killed := errors.New("exit status 137")
	err := blameEngine(t.Context(), "kd-away", killed)
	require.ErrorIs(t, err, cluster.ErrHost)
	assert.ErrorContains(t, err, "the container kd-away-worker ended (exit code 137) while the cluster came up")

	h := &handle{state: state{Info: cluster.Info{Name: "kd-away"}}}
	err = h.blameContainer(t.Context(), "worker-1", killed)
	require.ErrorIs(t, err, killed)
	assert.ErrorContains(t, err, "the node's container ended (exit code 137)")
	require.NotErrorIs(t, err, cluster.ErrHost, "it may be the run's own fault")

	stoppedEngine(t, never)
	err = h.blameContainer(t.Context(), "worker-1", killed)
	require.ErrorIs(t, err, cluster.ErrHost)
	assert.ErrorContains(t, err, "the Docker engine went away")
}

package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test program is also the runtime of the engine that it starts.
func TestMain(m *testing.M) {
	if code, handled := Main(os.Args); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// TestStart has an engine of its own, beside the machine's: started, found the
// second time, stopped, gone.
func TestStart(t *testing.T) {
	_, err := exec.LookPath("dockerd")
	require.NoError(t, err, `"make docker" installs it`)
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	s := Starter{Folder: filepath.Join(dir, "kept"), Progress: func(line string) { t.Log(line) }, host: socket, flags: []string{
		"--host", socket, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "docker.pid"), "--bridge", "none", "--iptables=false", "--storage-driver", "vfs"}}
	t.Cleanup(func() { _, _ = s.Stop(t.Context()) })

	started, err := s.Start(t.Context())
	require.NoError(t, err)
	assert.True(t, started)
	pid, err := os.ReadFile(s.pidFile())
	require.NoError(t, err)
	started, err = s.Start(t.Context())
	require.NoError(t, err)
	assert.False(t, started, "one answers already")
	if withholds() {
		t.Setenv("DOCKER_HOST", socket)
		found, err := Look(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "squall", found.Runtime)
	}
	stopped, err := s.Stop(t.Context())
	require.NoError(t, err)
	assert.True(t, stopped)
	first, _, _ := strings.Cut(string(pid), " ")
	id, err := strconv.Atoi(first)
	require.NoError(t, err)
	assert.NotEqual(t, "dockerd", programOf(id))
	assert.NoDirExists(t, s.Folder)
	stopped, err = s.Stop(t.Context())
	require.NoError(t, err)
	assert.False(t, stopped)
}

// TestAnothersProcessIsNotEnded has a file that names a living process which
// started at another time.
func TestAnothersProcessIsNotEnded(t *testing.T) {
	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	defer func() { _, _ = other.Process.Kill(), other.Wait() }()
	s := Starter{Folder: t.TempDir()}
	require.NoError(t, os.WriteFile(s.pidFile(), []byte(strconv.Itoa(other.Process.Pid)+" 1"), 0o600))
	stopped, err := s.Stop(t.Context())
	require.NoError(t, err)
	assert.False(t, stopped)
	assert.NotEmpty(t, identity(other.Process.Pid), "it was ended")
	runs(t, "sleep", other.Process.Pid)
}

// runs waits until a process runs that program: for a moment after its start the
// kernel knows no command line of it yet.
func runs(t *testing.T, program string, pid int) {
	t.Helper()
	assert.Eventually(t, func() bool { return programOf(pid) == program }, 10*time.Second, time.Millisecond,
		"process %d should run %s", pid, program)
}

func TestAnEngineThatCannotStartSaysWhy(t *testing.T) {
	dir := t.TempDir()
	s := Starter{Folder: dir, host: "unix://" + dir + "/none.sock", flags: []string{"--no-such-flag"}}
	_, err := s.Start(t.Context())
	require.ErrorContains(t, err, "no-such-flag")
}

func TestTheBoundingSetIsRead(t *testing.T) {
	assert.True(t, withheldIn("Name:\tx\nCapBnd:\t000001fffeffffff\n"))
	assert.False(t, withheldIn("CapBnd:\t000001ffffffffff\n"))
	assert.False(t, withheldIn("nothing"))
}

// TestAnEngineThatDoesNotAnswerIsNotEnded has a file that names a living process,
// and no engine to ask what runs in it.
func TestAnEngineThatDoesNotAnswerIsNotEnded(t *testing.T) {
	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	defer func() { _, _ = other.Process.Kill(), other.Wait() }()
	dir := t.TempDir()
	s := Starter{Folder: dir, host: "unix://" + dir + "/none.sock"}
	runs(t, "sleep", other.Process.Pid)
	require.NoError(t, os.WriteFile(s.pidFile(), []byte(identity(other.Process.Pid)), 0o600))
	_, err := s.Stop(t.Context())
	require.ErrorContains(t, err, "it stays as it is")
	runs(t, "sleep", other.Process.Pid)
}

// TestAnEngineElsewhereIsNotReplaced asks for one that does not answer where the
// docker command is told to look.
func TestAnEngineElsewhereIsNotReplaced(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	folder := filepath.Join(t.TempDir(), "kept")
	_, err := Starter{Folder: folder}.Start(t.Context())
	require.ErrorIs(t, err, ErrStopped)
	require.ErrorContains(t, err, "unset DOCKER_HOST")
	assert.NoDirExists(t, folder)
}

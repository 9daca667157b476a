package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nobody is Debian's user and group without any rights.
const nobody = 65534

// TestWithoutRoot runs the program as a user who is neither root nor finds a Docker.
func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	// The test program and t.TempDir are where only their owner may go.
	folder, err := os.MkdirTemp("", "squall-unprivileged-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(folder)) })
	require.NoError(t, os.Chmod(folder, 0o755))
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	program := filepath.Join(folder, "squall")
	require.NoError(t, os.WriteFile(program, self, 0o755))

	for name, test := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"run": {[]string{"run", "pod-kill", "--runs", filepath.Join(os.TempDir(), "squall-no-runs")}, exitInconclusive, []string{
			"squall: error: kind clusters need what is not here: ", "squall: hint: or make embedded clusters, which need root and no Docker: run the same command with sudo"}},
		"run, nowhere to write": {[]string{"run", "pod-kill"}, exitMisuse, []string{"--runs runs cannot be written"}},
		"run on embedded":       {[]string{"run", "pod-kill", "--on", "embedded"}, exitInconclusive, []string{"squall: error: embedded clusters need what is not here: root", "squall: hint: root: run the same command with sudo"}},
		"cluster up":            {[]string{"cluster", "up", "demo"}, exitInconclusive, []string{"which need root and no Docker: run the same command with sudo"}},
		"cluster list": {[]string{"cluster", "list"}, exitInconclusive, []string{
			"squall: error: only root may see and touch embedded clusters", "squall: hint: run the same command with sudo"}},
		"cluster down": {[]string{"cluster", "down", "demo"}, exitInconclusive, []string{"only root"}},
		"cluster node": {[]string{"cluster", "node", "power-off", "demo", "worker-1"}, exitInconclusive, []string{"only root"}},
		"kubectl":      {[]string{"kubectl", "demo"}, exitInconclusive, []string{"only root"}},
		"clean":        {[]string{"clean"}, exitInconclusive, []string{"only root"}},
		"bench":        {[]string{"bench", "load"}, exitInconclusive, []string{"which need root and no Docker: run the same command with sudo"}},
		"doctor":       {[]string{"doctor"}, exitInconclusive, []string{"✗ root\n      → run the same command with sudo", "no embedded cluster can be made", "no kind cluster can be made"}},
		"validate":     {[]string{"validate", "pod-kill"}, exitDone, []string{"catalog:pod-kill: valid"}},
		"plan":         {[]string{"plan", "pod-kill"}, exitDone, []string{"plan of pod-kill"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			cmd := exec.CommandContext(t.Context(), program, test.args...)
			cmd.Dir = folder
			cmd.Env = []string{"SQUALL_CACHE=" + filepath.Join(folder, "cache"), "PATH="}
			cmd.Stdout, cmd.Stderr = &said, &said
			if os.Geteuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				require.NoError(t, err)
			}
			assert.Equal(t, test.code, cmd.ProcessState.ExitCode(), said.String())
			for _, want := range test.says {
				assert.Contains(t, said.String(), want)
			}
			assert.NoFileExists(t, filepath.Join(folder, "cache"), "nothing is made for someone who may not use it")
			assert.NoFileExists(t, filepath.Join(folder, "runs"))
		})
	}
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeDocker puts a docker command in front of the real one that says something
// and ends with a status.
func fakeDocker(t *testing.T, out, complaint string, status int) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), mode))
	}
	write("out", out, 0o600)
	write("complaint", complaint, 0o600)
	write("docker", "#!/bin/sh\ncat "+dir+"/out\ncat "+dir+"/complaint >&2\nexit "+string(rune('0'+status))+"\n", 0o700)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestWhatIsInTheWayIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		out, complaint string
		status         int
		want           error
		says           string
	}{
		"stopped": {`{"ServerErrors":["Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"]}`,
			"errors pretty printing info\n", 1, ErrStopped, "squall docker"},
		"stopped, with a good status": {`{"ServerErrors":["Cannot connect to the Docker daemon"]}`, "", 0, ErrStopped, "squall docker"},
		"stopped, without a word":     {"", "", 1, ErrStopped, ""},
		"forbidden": {"", "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock\n", 1,
			ErrForbidden, "group docker"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeDocker(t, c.out, c.complaint, c.status)
			_, err := Look(t.Context())
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.says)
		})
	}
	t.Run("strange", func(t *testing.T) {
		fakeDocker(t, `{"ServerVersion":"1"}`, "something new\n", 1)
		_, err := Look(t.Context())
		require.ErrorContains(t, err, "something new")
		assert.NotErrorIs(t, err, ErrStopped)
	})
	t.Run("asked no longer", func(t *testing.T) {
		fakeDocker(t, "", "", 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the user went home")
		cancel(why)
		_, err := Look(ctx)
		require.ErrorIs(t, err, why)
		assert.NotErrorIs(t, err, ErrStopped, "it says nothing of the engine")
	})
	t.Run("absent", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := Look(t.Context())
		require.ErrorIs(t, err, ErrAbsent)
		assert.Len(t, Facts(t.Context()), 1)
		assert.False(t, Facts(t.Context())[0].OK)
	})
}

func TestAFullDiskIsTold(t *testing.T) {
	e := Engine{Root: "/data", DiskTotal: 100 << 30, DiskFree: LeastDisk - 1}
	require.ErrorIs(t, e.checkDisk(), ErrDisk)
	assert.ErrorContains(t, e.checkDisk(), "/data has 4.0 GiB free")
	e.DiskFree = LeastDisk
	require.NoError(t, e.checkDisk())
	require.NoError(t, Engine{}.checkDisk(), "another machine's disk is not known")
}

const ociSpec = `{"ociVersion":"1.0.2","process":{"terminal":true,"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1}],
"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"],"ambient":[]}},"unknown":{"a":[1,2.50]}}`

func TestOnlyTheCapabilityIsTakenOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, []byte(ociSpec), 0o600))
	require.NoError(t, dropIn(file, true))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, string(b), withheld)
	assert.Contains(t, string(b), "18446744073709551615", "a number that is too large for a float")
	assert.Contains(t, string(b), `"unknown":{"a":[1,2.50]}`)
	var spec struct {
		Process struct{ Capabilities map[string][]string }
	}
	require.NoError(t, json.Unmarshal(b, &spec))
	assert.Equal(t, []string{"CAP_CHOWN"}, spec.Process.Capabilities["bounding"])

	process := filepath.Join(t.TempDir(), "process.json")
	require.NoError(t, os.WriteFile(process, []byte(`{"args":["x"],"capabilities":{"bounding":["CAP_SYS_RESOURCE"]}}`), 0o600))
	require.NoError(t, dropIn(process, false))
	b, err = os.ReadFile(process)
	require.NoError(t, err)
	assert.NotContains(t, string(b), withheld)
	assert.Contains(t, string(b), `"args":["x"]`)
}

func TestTheFileOfAProcessIsFound(t *testing.T) {
	for _, c := range []struct {
		args  []string
		file  string
		whole bool
	}{
		{[]string{"--root", "/r", "--log", "l", "create", "--bundle", "/b", "id"}, "/b/config.json", true},
		{[]string{"run", "--bundle=/b", "id"}, "/b/config.json", true},
		{[]string{"create", "id"}, "config.json", true},
		{[]string{"exec", "--process", "/p.json", "id"}, "/p.json", false},
		{[]string{"exec", "-p", "/p.json", "id"}, "/p.json", false},
		{[]string{"exec", "id", "ls"}, "", false},
		{[]string{"--root", "/r", "delete", "id"}, "", false},
	} {
		file, whole := processFile(c.args)
		assert.Equal(t, c.file, file, c.args)
		if file != "" {
			assert.Equal(t, c.whole, whole, c.args)
		}
	}
}

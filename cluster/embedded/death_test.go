//go:build linux

package embedded

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goneWithin is how long a killed cluster may take to be gone (issue 1).
const goneWithin = 2 * time.Second

// childNamed returns a process's child of that name, 0 when it has none.
func childNamed(parent int, name string) int {
	for _, pid := range processes() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && strings.Contains(string(status), fmt.Sprintf("PPid:\t%d\n", parent)) &&
			argv0(pid) == name {
			return pid
		}
	}
	return 0
}

func argv0(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	first, _, _ := strings.Cut(string(b), "\x00")
	return first
}

func processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// livingOf lists the processes in a cluster's control groups that are not
// zombies.
func livingOf(name string) []string {
	var living []string
	for _, pid := range processes() {
		groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil || !strings.Contains(string(groups), "/"+groupPrefix+name) {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && !strings.Contains(string(status), "State:\tZ") {
			living = append(living, fmt.Sprintf("process %d %s", pid, argv0(pid)))
		}
	}
	return living
}

// leftOf lists what is left of a cluster on the host.
func leftOf(name string) []string {
	left := livingOf(name)
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + groupPrefix + name)
	folders, _ := filepath.Glob(filepath.Join(RunDir, "clusters", name))
	return append(left, append(groups, folders...)...)
}

func assertNothingLeft(t *testing.T, name string) {
	t.Helper()
	assert.Eventually(t, func() bool { return len(leftOf(name)) == 0 }, goneWithin, 5*time.Millisecond)
	assert.Empty(t, leftOf(name))
}

// owned is a cluster that belongs to a process which can be killed.
type owned struct {
	name  string
	owner *exec.Cmd
	up    chan struct{} // closed when the cluster is up
}

func own(t *testing.T, name string) *owned {
	exe, err := os.Executable()
	require.NoError(t, err)
	o := &owned{name: name, owner: exec.Command(exe, name), up: make(chan struct{})}
	o.owner.Env = append(os.Environ(), "SQUALL_TEST_AS=owner")
	out, err := o.owner.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, o.owner.Start())
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if lines.Text() == "up" {
				close(o.up)
			}
		}
	}()
	t.Cleanup(func() {
		_ = o.owner.Process.Kill()
		_, _ = o.owner.Process.Wait()
		require.NoError(t, provider().Remove(context.Background(), name))
	})
	return o
}

// waitUp waits until the cluster is up.
func (o *owned) waitUp(t *testing.T) state {
	select {
	case <-o.up:
	case <-time.After(time.Minute):
		t.Fatal("the cluster did not come up")
	}
	s, err := provider().readState(o.name)
	require.NoError(t, err)
	return s
}

func TestDeath(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	links, err := os.ReadDir("/sys/class/net")
	require.NoError(t, err)
	// One is set to what no kubelet wants, so that a change would show.
	const odd = "/proc/sys/kernel/keys/root_maxkeys"
	was, err := os.ReadFile(odd)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(odd, []byte("999999"), 0o644))
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(odd, was, 0o644)) })
	kernel := kernelSettings(t)

	t.Run("of the owner takes the cluster along", func(t *testing.T) {
		o := own(t, "dies-1")
		o.waitUp(t)
		require.NoError(t, o.owner.Process.Kill())
		assertNothingLeft(t, o.name)
	})
	t.Run("of the owner during bring-up", func(t *testing.T) {
		o := own(t, "dies-2")
		require.Eventually(t, func() bool { return len(livingOf(o.name)) > 3 }, 20*time.Second, 5*time.Millisecond)
		require.NoError(t, o.owner.Process.Kill())
		assertNothingLeft(t, o.name)
	})
	t.Run("of the supervisor", func(t *testing.T) {
		o := own(t, "dies-3")
		s := o.waitUp(t)
		require.NoError(t, syscall.Kill(s.Supervisor, syscall.SIGKILL))
		assertNothingLeft(t, o.name)
	})
	t.Run("of the janitor leaves what the next command removes", func(t *testing.T) {
		o := own(t, "dies-4")
		s := o.waitUp(t)
		require.NoError(t, syscall.Kill(s.Janitor, syscall.SIGKILL))
		assert.Eventually(t, func() bool { return len(livingOf(o.name)) == 0 }, goneWithin, 5*time.Millisecond)
		left, err := provider().Leftovers(t.Context())
		require.NoError(t, err)
		assert.Contains(t, left, `what the dead cluster "dies-4" left: its state folder, control groups`)
		require.NoError(t, provider().Sweep(t.Context()))
		assert.Empty(t, leftOf(o.name))
	})
	after, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	assert.Equal(t, string(mounts), string(after))
	linksAfter, err := os.ReadDir("/sys/class/net")
	require.NoError(t, err)
	assert.Len(t, linksAfter, len(links))
	assert.Equal(t, kernel, kernelSettings(t))
}

// kernelSettings are the settings that kubelets would change on the host.
func kernelSettings(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for name := range kubeletTunables {
		b, err := os.ReadFile(filepath.Join("/proc/sys", name))
		require.NoError(t, err)
		settings[name] = string(b)
	}
	return settings
}

func TestADetachedClusterOutlivesItsMaker(t *testing.T) {
	const name = "stays"
	exe, err := os.Executable()
	require.NoError(t, err)
	maker := exec.Command(exe, name)
	maker.Env = append(os.Environ(), "SQUALL_TEST_AS=leaver")
	out, err := maker.CombinedOutput()
	require.NoError(t, err, string(out))
	p := provider()
	t.Cleanup(func() { require.NoError(t, p.Remove(context.Background(), name)) })
	c, err := p.Find(t.Context(), name)
	require.NoError(t, err)
	config, err := c.Kubeconfig()
	require.NoError(t, err)
	require.NoError(t, cluster.WaitNodesReady(t.Context(), config, []string{"control-plane-1", "worker-1"}))
	require.NoError(t, p.Remove(t.Context(), name))
	assert.Empty(t, leftOf(name))
	select {
	case <-c.Done():
	case <-time.After(goneWithin):
		t.Fatal("Done is not closed")
	}
}

func TestACancelledBringUpLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := provider().Create(ctx, smallSpec("cancelled"), func(s string) {
		if strings.Contains(s, string(whatStarted)) {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "not ready:", "it says how far it came")
	assert.Empty(t, leftOf("cancelled"))
}

func TestPreparedStateThatIsDamagedIsMadeAgain(t *testing.T) {
	cache := t.TempDir()
	real := provider().cache
	for _, shared := range []string{"components", "images", "stores"} {
		require.NoError(t, os.Symlink(filepath.Join(real, shared), filepath.Join(cache, shared)))
	}
	p := New(cache)
	for i, damage := range []func(dir string){
		func(string) {}, // the first start saves
		func(dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, preparedPKI), []byte("{"), 0o600))
		},
	} {
		if found, _ := filepath.Glob(filepath.Join(cache, "prepared", "*")); i > 0 {
			require.Len(t, found, 1)
			damage(found[0])
		}
		_, err := p.Create(t.Context(), smallSpec("prepared"), nil)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			found, _ := filepath.Glob(filepath.Join(cache, "prepared", "*", preparedEtcd, "member", "wal", "*.wal"))
			saving, _ := filepath.Glob(filepath.Join(cache, "prepared", "*"+savedSuffix))
			return len(found) > 0 && len(saving) == 0
		}, 20*time.Second, 20*time.Millisecond)
		require.NoError(t, p.Remove(t.Context(), "prepared"))
		assertNothingLeft(t, "prepared")
	}
}

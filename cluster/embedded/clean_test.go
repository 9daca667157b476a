//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cleanAll cleans and wants each text among what was found before, among what
// was removed, and no longer among what is left.
func cleanAll(t *testing.T, p *Provider, texts ...string) {
	t.Helper()
	before, err := p.Leftovers(t.Context())
	require.NoError(t, err)
	removed, err := p.Clean(t.Context())
	require.NoError(t, err)
	after, err := p.Leftovers(t.Context())
	require.NoError(t, err)
	for _, text := range texts {
		assert.Contains(t, strings.Join(before, "\n"), text)
		assert.Contains(t, strings.Join(removed, "\n"), text)
		assert.NotContains(t, strings.Join(after, "\n"), text)
	}
}

func TestCleanRemovesHalfMadeFiles(t *testing.T) {
	p := New(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	old := time.Now().Add(-time.Hour)
	made := func(parts ...string) string {
		path := filepath.Join(parts...)
		require.NoError(t, os.MkdirAll(filepath.Join(path, "in"), 0o700))
		require.NoError(t, os.Chtimes(path, old, old))
		return path
	}
	ours := []string{
		made(p.cache, "prepared", "0123abcd.no-such-cluster"+savedSuffix), made(p.cache, "stores", "making"),
		made(p.cache, "images", "scratch", "make-1"), made(p.cache, "components", "scratch", "make-2"),
		made(p.cache, "bench-77"),
		made(os.TempDir(), "squall-kubectl-12"), made(os.TempDir(), "squall-unpack-34"),
		made(os.TempDir(), "squall-bare-9"),
	}
	others := []string{
		made(p.cache, "prepared", "0123abcd"), made(p.cache, "stores", "0123abcd"), made(p.cache, "images", "entries", "a"),
		made(os.TempDir(), "squall-notes"), made(os.TempDir(), "squall-parts-mine"),
	}
	young := filepath.Join(os.TempDir(), "squall-parts-56")
	require.NoError(t, os.WriteFile(young, nil, 0o600))
	used := filepath.Join(os.TempDir(), "squall-parts-78")
	f, err := os.Create(used)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, os.Chtimes(used, old, old))

	cleanAll(t, p, ours...)
	for _, path := range ours {
		assert.NoDirExists(t, path)
	}
	for _, path := range append(others, young, used) {
		_, err := os.Stat(path)
		assert.NoError(t, err)
	}
}

func TestCleanLeavesWhatAnotherIsMaking(t *testing.T) {
	p := New(t.TempDir())
	making := filepath.Join(p.stores(), "making")
	require.NoError(t, os.MkdirAll(making, 0o755))
	unlock, err := lockRun(t.Context(), p.stores())
	require.NoError(t, err)
	left, err := p.Leftovers(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(left, "\n"), making)
	assert.NoError(t, removeUnder(filepath.Join(p.stores(), lockFile), making))
	assert.DirExists(t, making)
	unlock()
	cleanAll(t, p, making)
}

func TestCleanUnmountsAndLeavesWhatWasMounted(t *testing.T) {
	p := provider()
	theirs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(theirs, "file"), nil, 0o600))
	at := filepath.Join(p.folder("mounted"), "stage")
	require.NoError(t, mount(theirs, at, "", unix.MS_BIND, ""))
	require.NoError(t, mount("squall", filepath.Join(at, "deeper"), "tmpfs", 0, ""))
	beside := filepath.Join(p.run, "beside")
	require.NoError(t, mount("squall", beside, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { assert.NoError(t, os.Remove(beside)) })
	cleanAll(t, p, `what the dead cluster "mounted" left: its state folder`, "the mount "+beside)
	assert.FileExists(t, filepath.Join(theirs, "file"))
	assert.NoDirExists(t, p.folder("mounted"))
}

func TestCleanTakesAFileForAFolderNot(t *testing.T) {
	p := provider()
	stray := p.folder("stray")
	require.NoError(t, os.MkdirAll(filepath.Dir(stray), 0o700))
	require.NoError(t, os.WriteFile(stray, nil, 0o600))
	cleanAll(t, p, `what the dead cluster "stray" left`)
	assert.NoFileExists(t, stray)
}

func TestClean(t *testing.T) {
	p := provider()
	t.Run("ends a cluster whose folder was removed", func(t *testing.T) {
		o := own(t, "lost-1")
		s := o.waitUp(t)
		left, err := p.Leftovers(t.Context())
		require.NoError(t, err)
		assert.NotContains(t, strings.Join(left, "\n"), "lost-1", "it lives")
		assert.NotContains(t, strings.Join(left, "\n"), fmt.Sprintf("the process %d,", s.Janitor), "it lives")
		require.NoError(t, os.RemoveAll(p.folder("lost-1")))
		cleanAll(t, p, fmt.Sprintf("the process %d, a squall-janitor without a cluster", s.Janitor))
		assert.Empty(t, leftOf("lost-1"))
	})
	t.Run("ends one whose janitor does not listen", func(t *testing.T) {
		o := own(t, "lost-2")
		s := o.waitUp(t)
		require.NoError(t, os.RemoveAll(p.folder("lost-2")))
		require.NoError(t, syscall.Kill(s.Janitor, syscall.SIGSTOP))
		cleanAll(t, p, fmt.Sprintf("the process %d, a squall-janitor", s.Janitor))
		assertNothingLeft(t, "lost-2")
	})
	t.Run("after the whole tree was killed at once while it came up", func(t *testing.T) {
		o := own(t, "lost-3")
		require.Eventually(t, func() bool { return len(livingOf(o.name)) > 6 }, 20*time.Second, 5*time.Millisecond)
		tree := treeBelow(o.owner.Process.Pid)
		require.NotEmpty(t, tree)
		for _, pid := range tree {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		require.Eventually(t, func() bool {
			alive, err := p.alive(o.name)
			return err == nil && !alive && len(livingOf(o.name)) == 0
		}, goneWithin, 5*time.Millisecond)
		cleanAll(t, p, `what the dead cluster "lost-3" left: its state folder, control groups`)
		assert.Empty(t, leftOf("lost-3"))
		saving, _ := filepath.Glob(filepath.Join(p.cache, "prepared", "*.lost-3"+savedSuffix))
		assert.Empty(t, saving)
	})
}

// treeBelow lists a process and all below it, the first first.
func treeBelow(root int) []int {
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		for _, pid := range processes() {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err == nil && strings.Contains(string(status), fmt.Sprintf("PPid:\t%d\n", tree[i])) {
				tree = append(tree, pid)
			}
		}
	}
	return tree
}

func TestACommandThatRunsIsKnownByItsVerb(t *testing.T) {
	child := joined(t, "2", makeTestGroup(t))
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	for verb, want := range map[string]bool{child.Args[1]: true, "no-such-verb": false, "": false} {
		running, err := verbRuns(verb)
		require.NoError(t, err)
		assert.Equal(t, want, running, verb)
	}
}

func TestAnOrphanIsKnownByMoreThanItsName(t *testing.T) {
	sleep, err := os.StartProcess("/bin/sleep", []string{supervisorName, "60"}, &os.ProcAttr{})
	require.NoError(t, err)
	defer func() {
		_ = sleep.Kill()
		_, _ = sleep.Wait()
	}()
	_, ok := readPart(sleep.Pid)
	assert.False(t, ok, "the name is ours, the program is not")
	assert.True(t, ourProgram(os.Getpid()))
	assert.False(t, part{pid: os.Getpid(), parent: os.Getpid(), name: supervisorName}.orphaned())
	assert.True(t, part{pid: os.Getpid(), parent: 1, name: supervisorName}.orphaned())
}

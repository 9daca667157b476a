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
		made(p.cache, "squall-bench-77"),
		made(os.TempDir(), "squall-kubectl-12"), made(os.TempDir(), "squall-unpack-34"),
		made(os.TempDir(), "squall-bare-9"), made(os.TempDir(), "squall-conformance-4321-1234567890"),
	}
	others := []string{
		made(p.cache, "prepared", "0123abcd"), made(p.cache, "stores", "0123abcd"), made(p.cache, "images", "entries", "a"),
		made(p.cache, "bench-results"), made(p.cache, "bench-78"), made(p.cache, "squall-bench-results"),
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

// Folders have the names that their makers give them: [os.MkdirTemp] adds digits,
// and runs of conformance tests put their process id before them.
func TestTemporaryNames(t *testing.T) {
	for pattern, verb := range map[string]string{
		"squall-parts-": "", "squall-unpack-": "", "squall-kubectl-": "kubectl", "squall-bare-*": "bench",
		fmt.Sprintf("squall-conformance-%d-", os.Getpid()): "conformance",
	} {
		path, err := os.MkdirTemp(t.TempDir(), pattern)
		require.NoError(t, err)
		name := filepath.Base(path)
		if assert.Regexp(t, temporaryName, name) {
			assert.Equal(t, verb, temporaryVerb(name), name)
		}
	}
	for _, name := range []string{
		"squall-notes-12", "squall-parts-mine", "squall-conformance-notes-123", "squall-conformance-1-2-3",
		"squall-conformance-1-", "squall-kubectl-", "my-squall-kubectl-12",
	} {
		assert.NotRegexp(t, temporaryName, name)
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

// What a mountinfo says of such names is not what they are called.
func TestMountsWithBlanksInTheirNamesAreUnmounted(t *testing.T) {
	theirs, folder := t.TempDir(), filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(filepath.Join(theirs, "file"), nil, 0o600))
	at := filepath.Join(folder, `with a blank and a \`, "in\tit")
	require.NoError(t, mount(theirs, at, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	points, err := mountsBelow(folder)
	require.NoError(t, err)
	assert.Equal(t, []string{at}, points)
	require.NoError(t, removeFolder(folder))
	assert.FileExists(t, filepath.Join(theirs, "file"))
	assert.NoDirExists(t, folder)
}

func TestPathsOfAMountinfo(t *testing.T) {
	for escaped, plain := range map[string]string{
		"/plain": "/plain", `/a\040b`: "/a b", `/a\134040`: `/a\040`, `/tab\011`: "/tab\t", `/end\04`: `/end\04`, `/no\999`: `/no\999`,
	} {
		assert.Equal(t, plain, plainPath(escaped))
	}
}

func TestGroupsOfOthersAreNotTakenForClusters(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"squall.", "squall.slice", "squall.scope", "squall.service", "squall.web.service", "squall.Demo", "squall.demo"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o755))
	}
	names, err := groups{Version: 2, Hierarchies: []hierarchy{{Dir: root}}}.ours()
	require.NoError(t, err)
	assert.Equal(t, []string{"demo"}, names)
}

// A folder that no cluster can have made goes; the group that would bear its name
// stays.
func TestAFolderWithTheNameOfAUnitIsNoCluster(t *testing.T) {
	root := t.TempDir()
	p := &Provider{run: filepath.Join(root, "run")}
	group := filepath.Join(root, "groups", groupPrefix+"slice")
	require.NoError(t, os.MkdirAll(group, 0o755))
	require.NoError(t, os.MkdirAll(p.folder("slice"), 0o700))
	g := groups{Version: 2, Hierarchies: []hierarchy{{Dir: filepath.Dir(group)}}}
	require.NoError(t, p.removeDead(t.Context(), g, "slice"))
	assert.DirExists(t, group)
	assert.NoDirExists(t, p.folder("slice"))
}

func TestClustersThatComeUpLiveAlready(t *testing.T) {
	p := &Provider{run: t.TempDir()}
	living, err := p.Living(t.Context())
	require.NoError(t, err)
	assert.Empty(t, living)
	for _, name := range []string{"coming", "dead"} {
		require.NoError(t, os.MkdirAll(p.folder(name), 0o700))
		f, err := takeLock(filepath.Join(p.folder(name), lockFile))
		require.NoError(t, err)
		if name == "coming" {
			defer f.Close()
			continue
		}
		require.NoError(t, f.Close())
	}
	living, err = p.Living(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"coming"}, living)
	ready, err := p.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, ready)
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

//go:build linux

package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestGroupsOfRecordedHosts(t *testing.T) {
	for _, c := range []struct {
		host    string
		version int
		want    []hierarchy // some of them
		not     string      // no mount point
		count   int
	}{
		{"v1", 1, []hierarchy{{"/sys/fs/cgroup/cpu", "cpu"}, {"/sys/fs/cgroup/systemd", "none,name=systemd"}}, "/sys/fs/cgroup", 9},
		{"hybrid", 1, []hierarchy{{"/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"}, {"/sys/fs/cgroup/net_cls,net_prio", "net_cls,net_prio"},
			{"/sys/fs/cgroup/cpuset", "cpuset"}, {"/sys/fs/cgroup/memory", "memory"}}, "/var/lib/guest/memory", 9},
		{"v2", 2, []hierarchy{{"/sys/fs/cgroup", ""}}, "/sys/fs/pstore", 1},
		{"v2-systemd-v1", 2, []hierarchy{{"/sys/fs/cgroup", ""}}, "/run/legacy/systemd", 1},
		{"v2-container", 2, []hierarchy{{"/sys/fs/cgroup", ""}}, "", 1},
		{"none", 0, nil, "", 0},
	} {
		t.Run(c.host, func(t *testing.T) {
			b, err := os.ReadFile("testdata/groups/" + c.host + ".mountinfo")
			require.NoError(t, err)
			g := parseGroups(strings.Split(string(b), "\n"))
			assert.Equal(t, c.version, g.Version)
			assert.Subset(t, g.Hierarchies, c.want)
			assert.Len(t, g.Hierarchies, c.count)
			assert.False(t, slices.ContainsFunc(g.Hierarchies, func(h hierarchy) bool { return h.Dir == c.not }))
			if c.version == 1 {
				assert.Empty(t, g.missing())
			}
		})
	}
}

func TestScoresAreSetWhereTheyCanBe(t *testing.T) {
	for set, texts := range map[bool][2]string{
		true:  {"restrict_oom_score_adj = false\n", "oomScoreAdj: -999\n"},
		false: {"restrict_oom_score_adj = true\n", "oomScoreAdj: 0\n"},
	} {
		m := &machine{nodeSetup: nodeSetup{SysResource: set}}
		assert.Contains(t, m.containerdTOML(), texts[0])
		assert.Contains(t, m.proxyYAML(), texts[1])
	}
}

// recorded is a version 2 hierarchy of plain files in a temporary folder: what
// is written stands in them, nothing acts on it.
func recorded(t *testing.T, controllers, handedOn string) (groups, string) {
	t.Helper()
	root := t.TempDir()
	for _, group := range []string{"", "squall.demo", "squall.demo/worker-1", "squall.demo/worker-1/kubepods/burstable/podx"} {
		dir := filepath.Join(root, group)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		on := ""
		if group == "" {
			on = handedOn
		}
		for file, content := range map[string]string{
			"cgroup.controllers": controllers + "\n", "cgroup.subtree_control": on + "\n", "cgroup.procs": "",
			"cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644))
		}
	}
	g := groups{Version: 2, Hierarchies: []hierarchy{{Dir: root}}}
	require.NoError(t, g.readControllers())
	return g, root
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

func TestGroupsOfVersion2AreMadeFromTheTopDown(t *testing.T) {
	g, root := recorded(t, "cpuset cpu io memory hugetlb pids rdma misc", "memory pids")
	assert.Empty(t, g.missing())
	require.NoError(t, g.make("squall.demo/worker-1"))
	assert.Equal(t, "+cpu +cpuset +hugetlb +io", read(t, root, "cgroup.subtree_control"), "what it handed on already is not asked for")
	assert.Equal(t, "+cpu +cpuset +memory +pids +hugetlb +io", read(t, root, "squall.demo/cgroup.subtree_control"))
	assert.Equal(t, "\n", read(t, root, "squall.demo/worker-1/cgroup.subtree_control"), "it may have processes until it is nested")

	require.NoError(t, g.join("squall.demo/worker-1"))
	assert.Equal(t, "0", read(t, root, "squall.demo/worker-1/cgroup.procs"))
	require.NoError(t, g.nest("squall.demo/worker-1"))
	assert.Equal(t, "0", read(t, root, "squall.demo/worker-1/init/cgroup.procs"))
	assert.Equal(t, "+cpu +cpuset +memory +pids +hugetlb +io", read(t, root, "squall.demo/worker-1/cgroup.subtree_control"))
	require.NoError(t, os.Remove(filepath.Join(root, "squall.demo/worker-1/init/cgroup.procs")))
	require.NoError(t, g.join("squall.demo/worker-1"))
	assert.Equal(t, "0", read(t, root, "squall.demo/worker-1/init/cgroup.procs"), "a later one sits in the leaf, too")

	require.NoError(t, g.limit("squall.demo/worker-1", 2, 1<<31))
	assert.Equal(t, "200000 100000", read(t, root, "squall.demo/worker-1/cpu.max"))
	assert.Equal(t, "2147483648", read(t, root, "squall.demo/worker-1/memory.max"))
	require.NoError(t, g.weigh("squall.demo/worker-1", nodeConfig{}.share()))
	assert.Equal(t, "200", read(t, root, "squall.demo/worker-1/cpu.weight"))
	require.NoError(t, g.weigh("squall.demo/worker-1/init", daemonShare))
	assert.Equal(t, "25", read(t, root, "squall.demo/worker-1/init/cpu.weight"))
	used, err := g.usage("squall.demo")
	require.NoError(t, err)
	assert.Equal(t, 1500*time.Millisecond, used)
}

func TestProcessesOfAGroup(t *testing.T) {
	g, root := recorded(t, "cpu", "cpu")
	require.NoError(t, os.WriteFile(filepath.Join(root, "squall.demo/worker-1/cgroup.procs"), []byte("12\n7\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "squall.demo/worker-1/kubepods/burstable/podx/cgroup.procs"), []byte("31\n"), 0o644))
	pids, err := g.processes("squall.demo/worker-1")
	require.NoError(t, err)
	assert.Equal(t, []int{7, 12, 31}, pids)
	pids, err = g.processes("squall.demo/worker-9")
	require.NoError(t, err)
	assert.Empty(t, pids)
	names, err := g.ours()
	require.NoError(t, err)
	assert.Equal(t, []string{"demo"}, names)
}

func TestWhatAVersion2HostLacks(t *testing.T) {
	g, _ := recorded(t, "memory pids", "memory pids") // what systemd delegates to a user
	assert.Equal(t, []string{"cpu", "cpuset"}, g.missing())
	g.Hierarchies[0].Dir = "/no/such/place"
	assert.ErrorContains(t, g.make("squall.demo"), "/no/such/place")
	inside := g.inside()
	assert.Equal(t, "/sys/fs/cgroup", inside.Hierarchies[0].Dir)
	assert.Equal(t, "/no/such/place", g.Hierarchies[0].Dir, "the host's stay as they are")
}

// realGroups are the host's own. Version 2 is there on a hybrid host, too: it has
// no controllers then, but processes can be moved, counted and killed in it all
// the same.
func realGroups(version string) (groups, error) {
	if version == "1" {
		return findGroups()
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(b)) {
		if h, version := parseHierarchy(line); version == 2 {
			return groups{Version: 2, Hierarchies: []hierarchy{h}}, nil
		}
	}
	return groups{}, errors.Join(err, errors.New("this host has no cgroup v2 hierarchy at all"))
}

// joinAs joins a group and nests in it, says so and waits to be killed.
func joinAs(group string) int {
	g, err := realGroups(os.Getenv("SQUALL_TEST_VERSION"))
	if err == nil {
		err = errors.Join(g.join(group), g.nest(group))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("in")
	_ = unix.Pause()
	return 0
}

func TestProcessesInRealGroups(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("version "+version, func(t *testing.T) {
			g, err := realGroups(version)
			require.NoError(t, err)
			const group = "squall-groups-test" // not a name that a sweep takes for its own
			require.NoError(t, g.make(group+"/node"))
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				require.NoError(t, g.remove(ctx, group))
				assert.False(t, g.exists(group))
			})
			child := joined(t, version, group+"/node")
			pids, err := g.processes(group)
			require.NoError(t, err)
			assert.Equal(t, []int{child.Process.Pid}, pids)
			used, err := g.usage(group)
			require.NoError(t, err)
			assert.Positive(t, used)
			require.NoError(t, child.Process.Kill())
			assert.ErrorContains(t, child.Wait(), "killed")
			pids, err = g.processes(group)
			require.NoError(t, err)
			assert.Empty(t, pids)
		})
	}
}

// makeTestGroup makes a group of version 2 that goes with the test.
func makeTestGroup(t *testing.T) string {
	t.Helper()
	const group = "squall-verb-test"
	g, err := realGroups("2")
	require.NoError(t, err)
	require.NoError(t, g.make(group))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, g.remove(ctx, group))
	})
	return group
}

// joined starts a process that joins a group.
func joined(t *testing.T, version, group string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(exe, group)
	child.Env = append(os.Environ(), "SQUALL_TEST_AS=joiner", "SQUALL_TEST_VERSION="+version)
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "in\n", said)
	return child
}

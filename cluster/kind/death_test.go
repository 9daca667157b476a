package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/kind/nodeimage"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keeperOf is the process that answers for a cluster of that name.
func keeperOf(t *testing.T, name string) int {
	return keeperIn(t, New(cacheDir()).folder(name))
}

// keeperIn is the process that answers for what is in a state folder.
func keeperIn(t *testing.T, folder string) int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err == nil && string(b) == keeperName+"\x00"+folder+"\x00" {
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			require.NoError(t, err)
			return pid
		}
	}
	t.Fatalf("no process answers for %s", folder)
	return 0
}

// TestAClusterEndsWithItsMaker kills the maker half-way, and another together
// with its keeper: then the next that looks removes what is left.
func TestAClusterEndsWithItsMaker(t *testing.T) {
	t.Run("killed half-way", func(t *testing.T) {
		o := own(t, "kd-half")
		o.await(t, "making")
		require.NoError(t, o.command.Process.Kill())
		assertNothingLeft(t, "kd-half")
	})
	t.Run("killed with its keeper", func(t *testing.T) {
		o := own(t, "kd-both")
		o.await(t, "the API answers")
		require.NoError(t, syscall.Kill(keeperOf(t, "kd-both"), syscall.SIGKILL))
		require.NoError(t, o.command.Process.Kill())
		_ = o.command.Wait()
		assert.NotEmpty(t, leftOf("kd-both"))
		p := New(cacheDir())
		said, err := p.Leftovers(t.Context())
		require.NoError(t, err)
		assert.Contains(t, said, `what is left of the kind cluster "kd-both"`)
		_, err = p.Clean(t.Context())
		require.NoError(t, err)
		assertNothingLeft(t, "kd-both")
	})
}

func TestACancelledMakingLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := New(cacheDir()).Create(ctx, smallSpec("kd-stop"), func(line string) {
		if strings.Contains(line, "the API answers") {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, leftOf("kd-stop"))
}

// TestWhatIsNotOursStays makes what kind itself would make, and a network of our
// name without our labels. Neither may be taken over, nor removed.
func TestWhatIsNotOursStays(t *testing.T) {
	ctx := t.Context()
	image, err := nodeimage.Builder{Cache: cacheDir()}.Build(ctx, nil)
	require.NoError(t, err)
	// Neither has a name that an earlier test may have left.
	theirs, unlabelled := fmt.Sprintf("kd-theirs-%d", os.Getpid()), fmt.Sprintf("kd-net-%d", os.Getpid())
	id, err := docker(ctx, "create", "--label", kindCluster+"="+theirs, "--name", theirs+"-control-plane", image.Ref)
	require.NoError(t, err)
	defer docker(context.Background(), "rm", "--force", "--volumes", id)
	_, err = docker(ctx, "network", "create", networkName(unlabelled))
	require.NoError(t, err)
	defer docker(context.Background(), "network", "rm", networkName(unlabelled))

	p := New(cacheDir())
	for _, name := range []string{theirs, unlabelled} {
		_, err := p.Create(ctx, smallSpec(name), nil)
		require.ErrorIs(t, err, cluster.ErrExists, name)
		assert.ErrorContains(t, err, "that Squall did not make", name)
		require.NoError(t, p.Remove(ctx, name))
		_, err = p.Find(ctx, name)
		assert.ErrorIs(t, err, cluster.ErrNotFound, name)
	}
	require.NoError(t, p.Sweep(ctx))
	_, err = inspect(ctx, id)
	require.NoError(t, err, "somebody else's container is gone")
	_, err = inspectNetwork(ctx, networkName(unlabelled))
	require.NoError(t, err, "somebody else's network is gone")
}

func TestBadSpecsAreRefusedWithEveryReason(t *testing.T) {
	spec := smallSpec("Not_a_name")
	spec.Workers, spec.ControlPlanes = 9, 2
	_, err := New(cacheDir()).Create(t.Context(), spec, nil)
	require.ErrorIs(t, err, cluster.ErrSpec)
	for _, want := range []string{"Not_a_name", "9 workers", "2 control-plane nodes"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestWithoutAnEngineEveryCallSaysSo(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	p := New(t.TempDir())
	_, err := p.Create(t.Context(), smallSpec("kd-none"), nil)
	require.ErrorIs(t, err, cluster.ErrHost)
	require.False(t, errors.Is(err, cluster.ErrSpec))
	assert.Empty(t, must(os.ReadDir(p.cache)), "something was begun")
	infos, err := p.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, infos)
	assert.NoError(t, p.Sweep(t.Context()))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestAKeeperLeavesALaterClusterAlone has the keeper of a cluster that was removed
// see the end of its maker while another has its name.
func TestAKeeperLeavesALaterClusterAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "kd-again")
	begin := func() *keep {
		require.NoError(t, os.MkdirAll(folder, 0o700))
		k, err := startKeeper(t.Context(), folder)
		require.NoError(t, err)
		return k
	}
	first := begin()
	require.NoError(t, removeFolder(folder))
	second := begin()
	require.NoError(t, first.input.Close())
	require.NoError(t, <-first.ended)
	assert.DirExists(t, folder, "the first one's keeper removed the second")
	require.NoError(t, second.input.Close())
	require.NoError(t, <-second.ended)
	assert.NoDirExists(t, folder)
}

// TestAKeeperStaysWhenTheHandleIsForgotten collects what nobody holds any more.
func TestAKeeperStaysWhenTheHandleIsForgotten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "kd-forgotten")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	_, err := startKeeper(t.Context(), folder)
	require.NoError(t, err)
	for range 3 {
		runtime.GC()
	}
	require.Never(t, func() bool { _, err := os.Stat(folder); return err != nil }, time.Second, 50*time.Millisecond)
	require.NoError(t, syscall.Kill(keeperIn(t, folder), syscall.SIGTERM))
	require.Eventually(t, func() bool { _, err := os.Stat(folder); return err != nil }, goneWithin, 50*time.Millisecond)
}

// freeze has a process in a group of a node's container that is frozen, as one of
// a pod that is just starting is.
func freeze(t *testing.T, container string) {
	t.Helper()
	const script = `if [ -d /sys/fs/cgroup/freezer ]; then
	mkdir /sys/fs/cgroup/freezer/stuck
	sleep 1000 & echo $! > /sys/fs/cgroup/freezer/stuck/cgroup.procs
	echo FROZEN > /sys/fs/cgroup/freezer/stuck/freezer.state
else
	mkdir /sys/fs/cgroup/stuck
	sleep 1000 & echo $! > /sys/fs/cgroup/stuck/cgroup.procs
	echo 1 > /sys/fs/cgroup/stuck/cgroup.freeze
fi`
	_, err := docker(t.Context(), "exec", "--privileged", container, "bash", "-euc", script)
	require.NoError(t, err)
}

// assertAdded looks for what the file adds to the cluster.
func assertAdded(t *testing.T, name string) {
	t.Helper()
	worker := containerName(name, "worker-1")
	for want, command := range map[string][]string{
		"it is":          {"exec", worker, "cat", "/data/here"},
		"127.0.0.1:":     {"port", worker, "30080/tcp"},
		"oom_score = -1": {"exec", worker, "cat", "/etc/containerd/config.toml"},
		"33": {"exec", containerName(name, clientHost), "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf",
			"get", "node", "worker-1", "--output", "jsonpath={.status.allocatable.pods}"},
	} {
		out, err := docker(t.Context(), command...)
		assert.NoError(t, err)
		assert.Contains(t, out, want)
	}
}

// assertShares shows that pods go before the daemons of their node, and workers
// before the control plane.
func assertShares(t *testing.T, name string) {
	t.Helper()
	for node, want := range map[string]int{clientHost: wholeShare, "worker-1": workerShare} {
		container := containerName(name, node)
		out, err := docker(t.Context(), "inspect", "--format", "{{.HostConfig.CpuShares}}", container)
		require.NoError(t, err)
		assert.Equal(t, strconv.Itoa(want), strings.TrimSpace(out), node)
		weight := func(c *assert.CollectT, group string) int {
			out, err := docker(t.Context(), "exec", container, "bash", "-c", `cd /sys/fs/cgroup
if [ -d cpu ]; then expr $(cat cpu/`+group+`/cpu.shares) \* 100 / 1024; else cat `+group+`/cpu.weight; fi`)
			require.NoError(c, err)
			n, err := strconv.Atoi(strings.TrimSpace(out))
			require.NoError(c, err)
			return n
		}
		// A node that was started may be Ready by what it said before.
		assert.EventuallyWithT(t, func(c *assert.CollectT) {
			assert.InDelta(c, daemonWeight, weight(c, "system.slice"), 1)
			assert.Equal(c, 100, weight(c, "kubelet.slice"))
			assert.Greater(c, weight(c, "kubelet.slice/kubelet-kubepods.slice"), 2*daemonWeight)
		}, time.Minute, 200*time.Millisecond, node)
	}
}

// TestADetachedClusterOutlivesItsMaker makes one that nobody answers for any
// more, finds it, restarts one of its nodes and removes it.
func TestADetachedClusterOutlivesItsMaker(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "here"), []byte("it is"), 0o644))
	additions, err := ReadAdditions(writeAdditions(t, `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches: ["{kind: KubeletConfiguration, maxPods: 33}"]
containerdConfigPatches: ["oom_score = -1"]
nodes:
- role: worker
  extraMounts: [{hostPath: `+folder+`, containerPath: /data, readOnly: true}]
  extraPortMappings: [{containerPort: 30080}]
`))
	require.NoError(t, err)
	p := New(cacheDir()).With(additions)
	spec := smallSpec("kd-detached")
	spec.Detached = true
	_, err = p.Create(t.Context(), spec, nil)
	require.NoError(t, err)
	defer p.Remove(context.Background(), spec.Name)
	assertAdded(t, spec.Name)
	assertShares(t, spec.Name)
	require.NoError(t, p.Sweep(t.Context()))
	c, err := p.Find(t.Context(), spec.Name)
	require.NoError(t, err, "sweeping took a cluster that lives")
	living, err := p.Living(t.Context())
	require.NoError(t, err)
	assert.Contains(t, living, spec.Name)

	// An engine that is restarted ends every node; they come back one by one.
	for _, n := range c.Info().Nodes {
		_, err := docker(t.Context(), "kill", containerName(spec.Name, n.Name))
		require.NoError(t, err)
	}
	for _, n := range c.Info().Nodes {
		require.NoError(t, c.Nodes().Act(t.Context(), n.Name, cluster.Start))
	}
	worker := containerName(spec.Name, "worker-1")
	freeze(t, worker)
	require.NoError(t, c.Nodes().Act(t.Context(), "worker-1", cluster.PowerOff), "with a group that is frozen")
	require.NoError(t, c.Nodes().Act(t.Context(), "worker-1", cluster.Start))
	kubeconfig, err := c.Kubeconfig()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, cluster.WaitNodesReady(ctx, kubeconfig, []string{"control-plane-1", "worker-1"}))
	assertShares(t, spec.Name)

	_, err = p.Create(t.Context(), spec, nil)
	require.ErrorIs(t, err, cluster.ErrExists)
	freeze(t, worker)
	require.NoError(t, p.Remove(t.Context(), spec.Name))
	assertNothingLeft(t, spec.Name)
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Error("the cluster is gone and its handle does not know")
	}
}

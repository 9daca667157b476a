//go:build linux

package embedded

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var powerCycles = flag.Int("power-cycles", 2, "how often a node is powered off and started")

// life is what a node shows of one time that it is on.
type life struct {
	bootID string
	lease  time.Time
}

// life asks the API for a node and whether it is Ready.
func (c *nodesTest) life(t *testing.T, node string) (l life, ready bool) {
	t.Helper()
	n, err := c.client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
	require.NoError(t, err)
	lease, err := c.client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), node, metav1.GetOptions{})
	if err == nil && lease.Spec.RenewTime != nil {
		l.lease = lease.Spec.RenewTime.Time
	}
	l.bootID = n.Status.NodeInfo.BootID
	for _, condition := range n.Status.Conditions {
		ready = ready || condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
	}
	return l, ready
}

// waitBack waits until a node is Ready in another life, its Lease renewed in it.
func (c *nodesTest) waitBack(t *testing.T, node string, before life) time.Duration {
	t.Helper()
	began := time.Now()
	require.Eventually(t, func() bool {
		now, ready := c.life(t, node)
		return ready && now.bootID != before.bootID && now.lease.After(before.lease)
	}, 60*time.Second, 50*time.Millisecond, "%s does not come back", node)
	return time.Since(began)
}

// waitReady waits until a node is Ready or not, by the API's word.
func (c *nodesTest) waitReady(t *testing.T, node string, want bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, ready := c.life(t, node)
		return ready == want
	}, 90*time.Second, 50*time.Millisecond, "%s does not become Ready=%t", node, want)
}

// expectNotReady holds the time that a node takes to be NotReady, from the moment
// when it fell silent, against what the flags say.
func (c *nodesTest) expectNotReady(t *testing.T, node string, since time.Time) {
	t.Helper()
	least, most := c.timers.NotReady()
	c.waitReady(t, node, false)
	took := time.Since(since)
	t.Logf("%s NotReady after %.1f s, predicted %s to %s", node, took.Seconds(), least, most)
	assert.Greater(t, took, least)
	assert.Less(t, took, most)
}

// server starts a pod that serves on a node and returns its address.
func (c *nodesTest) server(t *testing.T, node string) (name, address string) {
	t.Helper()
	grace := int64(0)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "on-" + node + "-", Namespace: "default"},
		Spec: corev1.PodSpec{
			NodeName: node, TerminationGracePeriodSeconds: &grace,
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, // it waits for its node
			Containers: []corev1.Container{{
				Name: "probe", Image: "squall.local/probe:test", Args: []string{"serve"},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
					HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}}},
			}},
		},
	}
	pod, err := c.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { c.kubectl(t, "", "delete", "pod", pod.Name, "--force", "--grace-period=0") })
	return pod.Name, c.waitServing(t, pod.Name)
}

// waitServing waits until a pod is Ready and returns its address.
func (c *nodesTest) waitServing(t *testing.T, name string) (address string) {
	t.Helper()
	var last corev1.PodStatus
	serves := assert.Eventually(t, func() bool {
		pod, err := c.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		last = pod.Status
		return len(last.ContainerStatuses) == 1 && last.ContainerStatuses[0].Ready
	}, 30*time.Second, 50*time.Millisecond)
	require.True(t, serves, "%s does not serve: %+v", name, last)
	return last.PodIP + ":8080"
}

func (c *nodesTest) testPowerOff(t *testing.T) {
	_, pod := c.server(t, "worker-1")
	before, _ := c.life(t, "worker-1")
	c.inside(t, "worker-1", "/usr/bin/touch", "/var/lib/kubelet/kept", "/run/lost")
	address := c.state(t, "worker-1").Address
	connections := []held{c.hold(t, pod), c.hold(t, address+":10250")}

	since := c.act(t, "worker-1", cluster.PowerOff)
	assert.Equal(t, cluster.NodeState{Node: cluster.Node{Name: "worker-1", Address: address}}, c.state(t, "worker-1"))
	assert.Empty(t, c.livingOn("worker-1"))
	for _, h := range connections {
		h.silent(t, 4*time.Second)
	}
	for _, action := range []cluster.NodeAction{cluster.Pause, cluster.Resume, cluster.CutOff, cluster.Reconnect} {
		assert.ErrorContains(t, c.Nodes().Act(t.Context(), "worker-1", action), errOff.Error())
	}
	assert.ErrorContains(t, c.Exec(t.Context(), cluster.Exec{Node: "worker-1", Argv: []string{"/bin/true"}}), errOff.Error())
	assert.NoError(t, c.Nodes().Logs(t.Context(), "worker-1", "kubelet", io.Discard), "the log of a node that is off")
	c.act(t, "worker-1", cluster.PowerOff) // nothing to do
	c.expectNotReady(t, "worker-1", since)

	c.act(t, "worker-1", cluster.Start)
	t.Logf("back after %.1f s", c.waitBack(t, "worker-1", before).Seconds())
	assert.True(t, c.state(t, "worker-1").Linked)
	assert.Contains(t, c.inside(t, "worker-1", "/bin/ls", "/var/lib/kubelet/kept"), "kept", "the disk")
	assert.Contains(t, c.inside(t, "worker-1", "/bin/ls", "/run/lost"), "exit status", "what was in memory")
	assert.Contains(t, c.inside(t, "worker-1", "/bin/hostname", "-I"), address)
	assert.NotContains(t, c.inside(t, "worker-1", "/bin/ls", "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"), "exit status")
	c.act(t, "worker-1", cluster.Start) // nothing to do
}

// livingOn lists the processes in a node's control groups.
func (c *nodesTest) livingOn(node string) []string {
	return livingOf(c.Info().Name + "/" + node)
}

func (c *nodesTest) testStop(t *testing.T) {
	name, pod := c.server(t, "worker-1")
	before, _ := c.life(t, "worker-1")
	connection := c.hold(t, pod)
	c.act(t, "worker-1", cluster.Stop)
	connection.expect(t, "reading ended") // the server has closed it
	assert.False(t, c.state(t, "worker-1").Up)
	assert.Contains(t, c.containerLog(t, "worker-1", name), "ending as asked")
	c.act(t, "worker-1", cluster.Stop) // nothing to do
	c.act(t, "worker-1", cluster.Start)
	c.waitBack(t, "worker-1", before)
	require.Eventually(t, func() bool {
		pod, err := c.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount == 1
	}, 30*time.Second, 50*time.Millisecond)
	c.waitServing(t, name)
}

// containerLog reads a container's log from a node's disk, node on or off.
func (c *nodesTest) containerLog(t *testing.T, node, pod string) string {
	s, err := c.p.readState(c.Info().Name)
	require.NoError(t, err)
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/root%s/%s/var/log/pods/default_%s_*/probe/*.log", s.Supervisor, disksDir, node, pod))
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(b)
	}
	return all.String()
}

func (c *nodesTest) testPause(t *testing.T) {
	name, pod := c.server(t, "worker-1")
	before, _ := c.life(t, "worker-1")
	connection := c.hold(t, pod)
	since := c.act(t, "worker-1", cluster.Pause)
	assert.True(t, c.state(t, "worker-1").Paused)
	c.act(t, "worker-1", cluster.Pause) // nothing to do
	assert.NotEmpty(t, c.livingOn("worker-1"))
	assert.ErrorContains(t, c.Nodes().Act(t.Context(), "worker-1", cluster.Stop), "paused")
	assert.Contains(t, c.onClientHost(t, "http://"+pod+"/"), "Timeout", "its kernel answers, nothing is served")
	t.Setenv("SQUALL_TEST_AS", "hold")
	c.expectNotReady(t, "worker-1", since)
	since = c.act(t, "worker-1", cluster.Resume)
	c.waitReady(t, "worker-1", true)
	t.Logf("Ready %.1f s after", time.Since(since).Seconds())
	assert.Contains(t, c.onClientHost(t, "http://"+pod+"/"), "hello")
	connection.silent(t, 0)
	after, _ := c.life(t, "worker-1")
	assert.Equal(t, before.bootID, after.bootID, "it was on all the time")
	c.waitServing(t, name)

	c.act(t, "worker-1", cluster.Pause)
	c.act(t, "worker-1", cluster.PowerOff)
	assert.False(t, c.state(t, "worker-1").Paused)
	c.act(t, "worker-1", cluster.Start)
	c.waitBack(t, "worker-1", before)
}

func (c *nodesTest) testCutOff(t *testing.T) {
	_, pod := c.server(t, "worker-1")
	connection := c.hold(t, pod)
	since := c.act(t, "worker-1", cluster.CutOff)
	assert.False(t, c.state(t, "worker-1").Linked)
	c.expectNotReady(t, "worker-1", since)
	since = c.act(t, "worker-1", cluster.Reconnect)
	c.waitReady(t, "worker-1", true)
	t.Logf("Ready %.1f s after", time.Since(since).Seconds())
	assert.True(t, c.state(t, "worker-1").Linked)
	assert.Contains(t, c.onClientHost(t, "http://"+pod+"/"), "hello", "its pods are reached as before")
	connection.silent(t, 0)
}

func (c *nodesTest) testPowerCycles(t *testing.T) {
	for i := range *powerCycles {
		before, _ := c.life(t, "worker-2")
		began := time.Now()
		require.NoError(t, c.Nodes().Act(t.Context(), "worker-2", cluster.PowerOff))
		off := time.Since(began)
		require.NoError(t, c.Nodes().Act(t.Context(), "worker-2", cluster.Start))
		on := time.Since(began) - off
		back := c.waitBack(t, "worker-2", before)
		t.Logf("%d: off %.3f s, started %.3f s, Ready %.3f s after", i+1, off.Seconds(), on.Seconds(), back.Seconds())
	}
}

func (c *nodesTest) testAddRemove(t *testing.T) {
	before := c.Info().Nodes
	node, err := c.Nodes().Add(t.Context())
	require.NoError(t, err)
	assert.Equal(t, cluster.Node{Name: "worker-3", Address: "10.210.0.13"}, node)
	assert.Equal(t, append(before, node), c.Info().Nodes)
	found, err := c.p.Find(t.Context(), c.Info().Name)
	require.NoError(t, err)
	assert.Equal(t, c.Info(), found.Info())
	config, err := c.Kubeconfig()
	require.NoError(t, err)
	require.NoError(t, cluster.WaitNodesReady(t.Context(), config, []string{node.Name}))
	_, pod := c.server(t, node.Name)
	assert.Contains(t, c.onClientHost(t, "http://"+pod+"/"), "hello", "from the control plane")
	other, _ := c.server(t, "worker-1")
	assert.Contains(t, c.mustKubectl(t, "exec", other, "--", "/probe", "get", "http://"+pod+"/"), "hello", "from another node's pod")

	require.NoError(t, c.Nodes().Remove(t.Context(), node.Name))
	assert.Equal(t, before, c.Info().Nodes)
	assert.Empty(t, c.livingOn(node.Name))
	assert.ErrorIs(t, c.Nodes().Act(t.Context(), node.Name, cluster.Start), cluster.ErrNoNode)
	assert.NotContains(t, c.inside(t, "worker-1", "/sbin/ip", "route"), "10.244.3.0", "the route to it")
	s, err := c.p.readState(c.Info().Name)
	require.NoError(t, err)
	assert.NoDirExists(t, fmt.Sprintf("/proc/%d/root%s/%s", s.Supervisor, disksDir, node.Name))
	c.mustKubectl(t, "delete", "node", node.Name)

	again, err := c.Nodes().Add(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "worker-4", again.Name, "no name is used twice")
	require.NoError(t, c.Nodes().Remove(t.Context(), again.Name))
}

func (c *nodesTest) testControlPlane(t *testing.T) {
	c.mustKubectl(t, "create", "configmap", "remembered")
	c.act(t, "control-plane-1", cluster.PowerOff)
	c.act(t, "control-plane-1", cluster.Start)
	require.Eventually(t, func() bool {
		_, err := c.kubectl(t, "", "get", "configmap", "remembered")
		return err == nil
	}, 60*time.Second, 200*time.Millisecond)
	c.act(t, "control-plane-1", cluster.Stop)
	c.act(t, "control-plane-1", cluster.Start)
	config, err := c.Kubeconfig()
	require.NoError(t, err)
	require.NoError(t, cluster.WaitNodesReady(t.Context(), config, []string{"control-plane-1", "worker-1", "worker-2"}))
	c.mustKubectl(t, "get", "configmap", "remembered")
}

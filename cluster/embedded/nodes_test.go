//go:build linux

package embedded

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// nodesTest is a cluster with fast timers whose nodes are acted on.
type nodesTest struct {
	*testCluster
	client kubernetes.Interface
	timers cluster.TimerSet
}

func upNodes(t *testing.T) *nodesTest {
	timers, err := cluster.FastTimers.Set()
	require.NoError(t, err)
	c := &nodesTest{timers: timers, testCluster: upWith(t, cluster.Spec{
		Name: "nodes-test", Workers: 2, Timers: cluster.FastTimers,
		NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("1Gi"),
	})}
	config, err := c.Kubeconfig()
	require.NoError(t, err)
	rest, err := clientcmd.RESTConfigFromKubeConfig(config)
	require.NoError(t, err)
	rest.QPS, rest.Burst = 100, 100
	c.client, err = kubernetes.NewForConfig(rest)
	require.NoError(t, err)
	return c
}

func TestNodes(t *testing.T) {
	c := upNodes(t)
	t.Run("what cannot be done says so", c.testRefusals)
	t.Run("a program inside a node", c.testInside)
	t.Run("power-off is silent, and a start brings everything back", c.testPowerOff)
	t.Run("a stop is orderly", c.testStop)
	t.Run("pause and resume", c.testPause)
	t.Run("cut off and reconnect", c.testCutOff)
	t.Run("a client that goes changes nothing", c.testLostClient)
	t.Run("power cycles", c.testPowerCycles)
	t.Run("a node is added, used and removed", c.testAddRemove)
	t.Run("a node is removed while it is acted on", c.testRemovedUnderWay)
	t.Run("the control plane goes off and comes back", c.testControlPlane)
	t.Run("a paused node dies with its cluster", func(t *testing.T) {
		c.act(t, "worker-1", cluster.Pause) // the cleanup finds nothing left
	})
}

// act does something to a node, says how long that took and returns when it
// began.
func (c *nodesTest) act(t *testing.T, node string, action cluster.NodeAction) time.Time {
	t.Helper()
	began := time.Now()
	require.NoError(t, c.Nodes().Act(t.Context(), node, action))
	t.Logf("%s of %s: %.3f s", action, node, time.Since(began).Seconds())
	return began
}

// state is what the provider knows of a node.
func (c *nodesTest) state(t *testing.T, node string) cluster.NodeState {
	t.Helper()
	states, err := c.Nodes().States(t.Context())
	require.NoError(t, err)
	for _, s := range states {
		if s.Name == node {
			return s
		}
	}
	require.Fail(t, "no such node", "%s in %v", node, states)
	return cluster.NodeState{}
}

func (c *nodesTest) testRefusals(t *testing.T) {
	for _, action := range cluster.NodeActions() {
		assert.ErrorIs(t, c.Nodes().Act(t.Context(), "worker-9", action), cluster.ErrNoNode, action)
	}
	assert.ErrorIs(t, c.Nodes().Act(t.Context(), "worker-1", "explode"), cluster.ErrUnsupported)
	assert.ErrorIs(t, c.Nodes().Remove(t.Context(), "worker-9"), cluster.ErrNoNode)
	assert.ErrorIs(t, c.Nodes().Remove(t.Context(), "control-plane-1"), cluster.ErrUnsupported)
	assert.True(t, c.state(t, "control-plane-1").Up, "and it is as it was")
	assert.ErrorIs(t, c.Exec(t.Context(), cluster.Exec{Node: "worker-9", Argv: []string{"/bin/true"}}), cluster.ErrNoNode)
	assert.ErrorIs(t, c.Nodes().Logs(t.Context(), "worker-9", "kubelet", io.Discard), cluster.ErrNoNode)
	for _, name := range []string{"", "../kubelet", "pods/../kubelet", "no-such-program"} {
		assert.ErrorContains(t, c.Nodes().Logs(t.Context(), "worker-1", name, io.Discard), "kubelet", "it names those that there are")
	}
	var log bytes.Buffer
	require.NoError(t, c.Nodes().Logs(t.Context(), "worker-1", "kubelet", &log))
	assert.Contains(t, log.String(), "worker-1")
}

// placeAs says where it runs.
func placeAs() int {
	name, _ := os.Hostname()
	_, err := os.Stat(os.Args[0])
	groups, _ := os.ReadFile("/proc/self/cgroup")
	outside := 0
	for line := range strings.Lines(string(groups)) {
		if !strings.HasSuffix(line, ":/\n") && !strings.HasSuffix(line, ":/"+leafGroup+"\n") && !strings.HasPrefix(line, "0::") {
			outside++
		}
	}
	fmt.Printf("host %s, program visible %t, %d groups outside, pid 1 %s\n", name, err == nil, outside, argv0(1))
	return 0
}

func (c *nodesTest) testInside(t *testing.T) {
	// A node has a /tmp of its own, so the host's path is nothing there.
	exe, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(exe)
	require.NoError(t, err)
	elsewhere := filepath.Join(t.TempDir(), "squall-test")
	require.NoError(t, os.WriteFile(elsewhere, program, 0o755))
	t.Setenv("SQUALL_TEST_AS", "place")
	var out, problems bytes.Buffer
	require.NoError(t, c.Exec(t.Context(), cluster.Exec{Node: "worker-2", Inside: true, Argv: []string{elsewhere}, Stdout: &out, Stderr: &problems}), "%s", &problems)
	assert.Equal(t, "host worker-2, program visible false, 0 groups outside, pid 1 "+nodeName+"\n", out.String())
	assert.ErrorIs(t, c.Exec(t.Context(), cluster.Exec{Node: "worker-2", Inside: true, Argv: []string{"/no/such/program"}}), os.ErrNotExist)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, c.Exec(ctx, cluster.Exec{Node: "worker-2", Inside: true, Argv: []string{"/bin/sleep", "60"}}), context.DeadlineExceeded)
}

// inside runs a program of the node's own and returns what it says.
func (c *nodesTest) inside(t *testing.T, node string, argv ...string) string {
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Exec(ctx, cluster.Exec{Node: node, Inside: true, Argv: argv, Stdout: &out}); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

// holdAs keeps a connection open, writes to it and says what becomes of it; when
// its input ends, it says that nothing has.
func holdAs(address string) int {
	conn, err := net.DialTimeout("tcp4", address, 5*time.Second)
	if err != nil {
		fmt.Println("no connection:", err)
		return 1
	}
	ended := make(chan string, 2)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		ended <- fmt.Sprintf("reading ended: %v", err)
	}()
	go func() {
		for {
			if _, err := conn.Write([]byte("G")); err != nil {
				ended <- fmt.Sprintf("writing ended: %v", err)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	fmt.Println("open")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- "nothing happened"
	}()
	fmt.Println(<-ended)
	return 0
}

// held is a connection that a process on the client host holds.
type held struct {
	release func()
	said    chan string
}

// hold opens a connection from the client host.
func (c *nodesTest) hold(t *testing.T, address string) held {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	in, hand := io.Pipe()
	out, mouth := io.Pipe()
	h := held{release: func() { hand.Close() }, said: make(chan string, 8)}
	t.Setenv("SQUALL_TEST_AS", "hold")
	go func() {
		err := c.Exec(context.Background(), cluster.Exec{Argv: []string{exe, address}, Stdin: in, Stdout: mouth})
		mouth.CloseWithError(errors.Join(err, io.EOF))
	}()
	go func() {
		defer close(h.said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.said <- lines.Text()
		}
	}()
	t.Cleanup(h.release)
	h.expect(t, "open")
	return h
}

// expect waits for what the holder says next.
func (h held) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case said := <-h.said:
		require.Contains(t, said, want)
	case <-time.After(10 * time.Second):
		require.Fail(t, "the holder of a connection says nothing", "expected %q", want)
	}
}

// silent tells that nothing happens to the connection for a while.
func (h held) silent(t *testing.T, length time.Duration) {
	t.Helper()
	select {
	case said := <-h.said:
		require.Fail(t, "the connection did not stay silent", said)
	case <-time.After(length):
	}
	h.release()
	h.expect(t, "nothing happened")
}

func (c *nodesTest) testLostClient(t *testing.T) {
	c.act(t, "worker-1", cluster.PowerOff)
	conn, err := net.Dial("unix", filepath.Join(c.p.folder(c.Info().Name), controlSocket))
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(conn).Encode(command{Do: string(cluster.Start), Node: "worker-1"}))
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return c.state(t, "worker-1").Up }, 10*time.Second, 20*time.Millisecond)
	for _, nonsense := range []string{"", "{", "null\n", `{"Do":7}`, strings.Repeat("x", 2*maxCommand)} {
		conn, err := net.Dial("unix", filepath.Join(c.p.folder(c.Info().Name), controlSocket))
		require.NoError(t, err)
		_, _ = io.WriteString(conn, nonsense)
		require.NoError(t, conn.Close())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, c.Nodes().Act(ctx, "worker-1", cluster.PowerOff), context.Canceled)
	c.act(t, "worker-1", cluster.Start)
	c.waitBack(t, "worker-1", life{})
}

func (c *nodesTest) testRemovedUnderWay(t *testing.T) {
	node, err := c.Nodes().Add(t.Context())
	require.NoError(t, err)
	var all sync.WaitGroup
	for _, action := range []cluster.NodeAction{cluster.PowerOff, cluster.Start, cluster.Pause, cluster.Resume, cluster.CutOff, cluster.Reconnect} {
		all.Go(func() {
			for {
				err := c.Nodes().Act(context.Background(), node.Name, action)
				if errors.Is(err, cluster.ErrNoNode) {
					return
				}
				if err != nil {
					assert.ErrorContains(t, err, errOff.Error())
				}
			}
		})
	}
	require.Eventually(t, func() bool { return !c.state(t, node.Name).Up }, 20*time.Second, time.Millisecond, "they are at it")
	require.NoError(t, c.Nodes().Remove(t.Context(), node.Name))
	all.Wait()
	assert.ErrorIs(t, c.Nodes().Remove(t.Context(), node.Name), cluster.ErrNoNode)
	assert.False(t, c.Cluster.(*handle).hasNode(node.Name))
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + groupPrefix + c.Info().Name + "/" + node.Name)
	require.NoError(t, err)
	assert.Empty(t, groups)
}

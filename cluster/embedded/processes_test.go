//go:build linux

package embedded

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testKubelet kills a kubelet; its node starts another.
func (c *testCluster) testKubelet(t *testing.T) {
	s, err := c.p.readState("test")
	require.NoError(t, err)
	init, err := nodePID(s.Supervisor, "worker-1")
	require.NoError(t, err)
	before := childNamed(init, "kubelet")
	require.NotZero(t, before)
	kubelet, err := os.FindProcess(before)
	require.NoError(t, err)
	require.NoError(t, kubelet.Kill())
	require.Eventually(t, func() bool {
		now := childNamed(init, "kubelet")
		return now != 0 && now != before
	}, 10*time.Second, 20*time.Millisecond)
	config, err := c.Kubeconfig()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, cluster.WaitNodesReady(ctx, config, []string{"worker-1"}))
}

func (c *testCluster) testPodProcesses(t *testing.T) {
	out := strings.Fields(c.mustKubectl(t, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name} {.items[0].metadata.uid} {.items[0].spec.nodeName}"))
	require.Len(t, out, 3)
	n, err := c.PodProcesses(t.Context(), out[2], out[1])
	require.NoError(t, err)
	assert.Equal(t, 2, n, "the program and its sandbox")
	n, err = c.PodProcesses(t.Context(), out[2], "00000000-0000-0000-0000-000000000000")
	require.NoError(t, err)
	assert.Zero(t, n)
	_, err = c.PodProcesses(t.Context(), "no-such-node", out[1])
	assert.Error(t, err)
	c.mustKubectl(t, "delete", "pod", out[0], "--grace-period=0", "--force")
	require.Eventually(t, func() bool {
		n, err := c.PodProcesses(t.Context(), out[2], out[1])
		return err == nil && n == 0
	}, 20*time.Second, 20*time.Millisecond)
}

func (c *testCluster) testExecCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	defer writer.Close()
	ended := make(chan error, 1)
	go func() {
		ended <- c.Exec(ctx, cluster.Exec{Argv: []string{"/bin/cat"}, Stdin: reader, Stdout: io.Discard})
	}()
	_, err := writer.Write([]byte("it reads\n"))
	require.NoError(t, err)
	cancel()
	select {
	case err := <-ended:
		assert.True(t, errors.Is(err, context.Canceled), "%v", err)
	case <-time.After(5 * time.Second):
		t.Fatal("it goes on")
	}
	assert.ErrorContains(t, c.Exec(t.Context(), cluster.Exec{Argv: []string{"/no/such/program"}}), "/no/such/program")
	assert.ErrorContains(t, c.Exec(t.Context(), cluster.Exec{Argv: []string{"/bin/false"}}), "exit status 1")
}

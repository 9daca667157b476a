//go:build linux

package embedded

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestMetricsServerHasACertificateForItsService(t *testing.T) {
	k, err := newPKI(time.Now())
	require.NoError(t, err)
	ca, err := k.parse("ca")
	require.NoError(t, err)
	cert, err := k.parse(metricsCertificate)
	require.NoError(t, err)
	assert.NoError(t, cert.VerifyHostname("metrics-server.kube-system.svc"))
	assert.NoError(t, cert.CheckSignatureFrom(ca))
	assert.NotContains(t, k.of(nodeConfig{Name: "worker-1", Index: 1}), metricsCertificate)
}

// startBusy starts what the metrics are looked at of. With stock timers an HPA
// takes up to 50 s to scale, so this comes long before [testCluster.testMetrics].
func (c *testCluster) startBusy(t *testing.T) {
	manifest, err := os.ReadFile("testdata/busy.yaml")
	require.NoError(t, err)
	out, err := c.kubectl(t, string(manifest), "apply", "-f", "-")
	require.NoError(t, err, out)
}

func (c *testCluster) testMetrics(t *testing.T) {
	const api = "apiservice/v1beta1.metrics.k8s.io"
	c.mustKubectl(t, "wait", "--for=create", api, "--timeout=55s")
	c.mustKubectl(t, "wait", "--for=condition=Available", api, "--timeout=30s")
	assert.Empty(t, c.mustKubectl(t, "get", api, "-o", "jsonpath={.spec.insecureSkipTLSVerify}"))
	t.Run("top nodes shows each node's own size", c.testTopNodes)
	t.Run("a kubelet counts its own node only", c.testNodeStats)
	t.Run("top pods", func(t *testing.T) {
		require.Eventually(t, func() bool {
			out, err := c.kubectl(t, "", "top", "pods", "-n", "busy", "--no-headers")
			return err == nil && strings.Contains(out, "busy-") && strings.Contains(out, "idle-")
		}, 40*time.Second, time.Second)
	})
	t.Run("HPAs scale on CPU and read memory", func(t *testing.T) {
		c.mustKubectl(t, "wait", "-n", "busy", "hpa/cpu", "--for=jsonpath={.status.desiredReplicas}=2", "--timeout=55s")
		c.mustKubectl(t, "wait", "-n", "busy", "hpa/memory", "--timeout=20s",
			"--for=jsonpath={.status.currentMetrics[0].resource.current.averageValue}")
	})
}

// testTopNodes compares what is used with the share that it is said to be.
func (c *testCluster) testTopNodes(t *testing.T) {
	var lines []string
	require.Eventually(t, func() bool {
		out, err := c.kubectl(t, "", "top", "nodes", "--no-headers", "--show-capacity")
		lines = strings.Split(strings.TrimSpace(out), "\n")
		return err == nil && len(lines) == 4 && !strings.Contains(out, "unknown")
	}, 40*time.Second, time.Second, "not every node has metrics: %v", &lines)
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		require.Len(t, fields, 5, line)
		millis, bytes := quantity(t, fields[1]).MilliValue(), quantity(t, fields[3]).Value()
		assert.InDelta(t, millis*100/1000, percent(t, fields[2]), 1, "%s: of one processor", line)
		assert.InDelta(t, bytes*100/(1536<<20), percent(t, fields[4]), 1, "%s: of 1536Mi", line)
		assert.Positive(t, percent(t, fields[4]), line)
	}
}

// testNodeStats asks a kubelet. What is used and what is left make the size of
// the node, and all its programs together are a small part of it.
func (c *testCluster) testNodeStats(t *testing.T) {
	var summary struct {
		Node struct {
			Memory struct{ AvailableBytes, WorkingSetBytes int64 }
			CPU    struct{ UsageNanoCores int64 }
		}
	}
	out := c.mustKubectl(t, "get", "--raw", "/api/v1/nodes/worker-1/proxy/stats/summary")
	require.NoError(t, json.Unmarshal([]byte(out), &summary))
	memory := summary.Node.Memory
	assert.Equal(t, int64(1536<<20), memory.AvailableBytes+memory.WorkingSetBytes)
	assert.Less(t, memory.WorkingSetBytes, int64(512<<20))
	assert.Less(t, summary.Node.CPU.UsageNanoCores, int64(time.Second), "a processor")
	assert.Contains(t, c.mustKubectl(t, "get", "--raw", "/api/v1/nodes/worker-1/proxy/metrics/resource"), "\nnode_memory_working_set_bytes ")
}

// quantity reads one of the numbers that kubectl top prints.
func quantity(t *testing.T, s string) *resource.Quantity {
	q, err := resource.ParseQuantity(s)
	require.NoError(t, err, s)
	return &q
}

func percent(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "%"), 10, 64)
	require.NoError(t, err, s)
	return n
}

package addons

import (
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMetricsServerFollowsTheTimers(t *testing.T) {
	for timers, want := range map[cluster.Timers][]string{
		cluster.StockTimers: {"--metric-resolution=15s", "--kubelet-request-timeout=10s"},
		cluster.FastTimers:  {"--metric-resolution=10s", "--kubelet-request-timeout=2s"},
	} {
		set, err := timers.Set()
		require.NoError(t, err)
		c := metricsContainer(MetricsOptions{Timers: set})
		assert.Subset(t, c.Args, want, timers)
		assert.Greater(t, c.ReadinessProbe.InitialDelaySeconds, int32(set.MetricsResolution/time.Second), timers)
	}
}

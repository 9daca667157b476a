package suite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/cluster/embedded"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/catalog"
	"squall/scenarios/judge"
	"squall/scenarios/run"
	"squall/workloads/image"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// logWriter shows the runs in the test's log.
type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// TestPodKillWithTwins runs the shipped scenario as make test-scenario does,
// with shorter phases.
func TestPodKillWithTwins(t *testing.T) {
	source, err := catalog.Source("pod-kill")
	require.NoError(t, err)
	text := strings.Replace(string(source), "phases: {warmup: 3s, steady: 7s, fault: 10s, recovery: 20s}",
		"phases: {warmup: 1s, steady: 2s, fault: 5s, recovery: 12s}", 1)
	require.Contains(t, text, "warmup: 1s")
	f, err := scenarios.Parse("pod-kill.yaml", []byte(text), scenarios.WithChecker(judge.Check))
	require.NoError(t, err)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	images, err := image.DefaultDir()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	show := reports.NewLive(logWriter{t}, false)
	defer show.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()

	got, err := Run(ctx, f, Options{Twins: true, Options: run.Options{
		Seed: 3, Version: "test", Runs: filepath.Join(t.TempDir(), "runs"),
		Provider: embedded.New(filepath.Join(cache, "squall")), ProviderName: embedded.Name,
		Images: image.Builder{Dir: images}, Traffic: []string{self, "traffic"}, Live: show,
	}})
	require.NoError(t, err)
	require.NoError(t, reports.Text(logWriter{t}, got.Verdicts, reports.TextOptions{}))
	require.Len(t, got.Verdicts, 3)
	assert.Equal(t, reports.Pass, got.Verdicts[0].Outcome, "%v", got.Verdicts[0].Reasons)
	for _, twin := range got.Verdicts[1:] {
		require.NotNil(t, twin.Designed, "%s: %v", twin.Twin, twin.Reasons)
		assert.True(t, *twin.Designed, "%s: %v", twin.Twin, twin.Reasons)
	}
	assert.Zero(t, got.Code)
	assert.Len(t, got.Dirs, 3)
}

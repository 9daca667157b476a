package run

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/catalog"
	"squall/scenarios/judge"
	"squall/workloads/image"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runLimit bounds one run of a test.
const runLimit = 2 * time.Minute

// provider is the embedded one, which remembers the names of its clusters.
type provider struct {
	cluster.Provider
	names []string
}

func (p *provider) Create(ctx context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	p.names = append(p.names, spec.Name)
	return p.Provider.Create(ctx, spec, progress)
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	return &provider{Provider: embedded.New(filepath.Join(cache, "squall"))}
}

// requireNothingLeft holds that no cluster of p exists, nor a control group or
// folder of one. Others' clusters on this host are not looked at.
func (p *provider) requireNothingLeft(t *testing.T) {
	t.Helper()
	require.NotEmpty(t, p.names)
	up, err := p.List(t.Context())
	require.NoError(t, err)
	for _, name := range p.names {
		for _, other := range up {
			assert.NotEqual(t, name, other.Name)
		}
		for _, pattern := range []string{
			"/sys/fs/cgroup/squall." + name, "/sys/fs/cgroup/*/squall." + name, filepath.Join("/run/squall/clusters", name),
		} {
			left, err := filepath.Glob(pattern)
			require.NoError(t, err)
			assert.Empty(t, left)
		}
	}
}

// screen is where a run is shown: in the test's log. It calls seen once, when a
// line holds the text that is waited for.
type screen struct {
	t    *testing.T
	text string
	seen func()
	once sync.Once
}

func (s *screen) Write(p []byte) (int, error) {
	s.t.Log(strings.TrimRight(string(p), "\n"))
	if s.text != "" && strings.Contains(string(p), s.text) {
		s.once.Do(s.seen)
	}
	return len(p), nil
}

// options are those of a run on embedded clusters, with this program as its
// generator.
func options(t *testing.T, p cluster.Provider, s *screen) Options {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	images, err := image.DefaultDir()
	require.NoError(t, err)
	s.t = t
	show := reports.NewLive(s, false)
	t.Cleanup(show.Close)
	return Options{
		Seed: 7, Version: "test", Runs: filepath.Join(t.TempDir(), "runs"),
		Provider: p, ProviderName: embedded.Name, Images: image.Builder{Dir: images},
		Traffic: []string{self, "traffic", randomHex(8)}, // the digits tell its process from others
		Flags:   []string{self, "flags"},
		Live:    show,
	}
}

// podKill is the shipped scenario with other phases.
func podKill(t *testing.T, phases string) *scenarios.Scenario {
	t.Helper()
	source, err := catalog.Source("pod-kill")
	require.NoError(t, err)
	const shipped = "{warmup: 3s, steady: 7s, fault: 10s, recovery: 20s}"
	require.Contains(t, string(source), shipped)
	f, err := scenarios.Parse("pod-kill.yaml", []byte(strings.Replace(string(source), shipped, phases, 1)), scenarios.WithChecker(judge.Check))
	require.NoError(t, err)
	return f.Scenario
}

// within is a context for one run.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	t.Cleanup(cancel)
	return ctx
}

// open reads a record and holds that it gives the verdict again, byte for byte.
func open(t *testing.T, s *scenarios.Scenario, dir string, v reports.Verdict) *reports.Record {
	t.Helper()
	rec, err := reports.Open(dir)
	require.NoError(t, err)
	want, err := json.Marshal(v)
	require.NoError(t, err)
	again, err := json.Marshal(judge.Judge(s, rec))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(again))
	kept, err := reports.ReadVerdict(dir)
	require.NoError(t, err)
	assert.Equal(t, v, kept)

	// The folder holds the scenario as it was run, and it is the same one.
	text, err := os.ReadFile(filepath.Join(dir, reports.FileScenario))
	require.NoError(t, err)
	f, err := scenarios.Parse("scenario.yaml", text)
	require.NoError(t, err)
	assert.Equal(t, rec.Header.Digest, f.Scenario.Digest())
	return rec
}

// phasesOf are the phases of a record with their beginnings, in its order.
func phasesOf(rec *reports.Record) (names []string, at map[string]reports.Offset) {
	at = map[string]reports.Offset{}
	for _, e := range rec.Entries {
		if e.Kind == reports.KindPhase {
			names = append(names, e.Phase.Name)
			at[e.Phase.Name] = e.At
		}
	}
	return names, at
}

// processes are the processes whose command line holds a word.
func processes(t *testing.T, word string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), word) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		require.NoError(t, err)
		found = append(found, pid)
	}
	return found
}

func requireNoProcess(t *testing.T, word string) {
	t.Helper()
	assert.Empty(t, processes(t, word), fmt.Sprintf("processes with %q", word))
}

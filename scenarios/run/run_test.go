package run

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/workloads/image"
	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPodKillPasses(t *testing.T) {
	p := newProvider(t)
	o, s := options(t, p, &screen{}), podKill(t, "{warmup: 2s, steady: 2s, fault: 5s, recovery: 20s}")
	dir, v, err := Run(within(t), s, o)
	require.NoError(t, err)
	p.requireNothingLeft(t)
	require.Equal(t, reports.Pass, v.Outcome, "%v", v.Reasons)
	rec := open(t, s, dir, v)

	assert.Regexp(t, `/pod-kill-\d{8}-\d{6}-[0-9a-f]{4}$`, dir)
	assert.Equal(t, p.names[0][:4], "run-")
	h := rec.Header
	assert.Equal(t, []any{"test", "v1.36.3", "embedded", "stock", "pod-kill", uint64(7)},
		[]any{h.Squall, h.Kubernetes, h.Provider, h.Timers, h.Scenario, h.Seed})
	assert.Positive(t, h.Host.MemoryBytes)
	assert.NotEmpty(t, h.Host.Kernel)
	assert.Contains(t, []string{"v1", "v2"}, h.Host.Cgroup)
	assert.NotEmpty(t, h.Host.CongestionControl)

	names, at := phasesOf(rec)
	assert.Equal(t, []string{"up", "deploy", "warmup", "steady", "fault", "recovery", "quiet", "down"}, names)
	assert.Zero(t, at["up"])
	assert.Equal(t, []time.Duration{2 * time.Second, 2 * time.Second, 5 * time.Second},
		[]time.Duration{at["steady"] - at["warmup"], at["fault"] - at["steady"], at["recovery"] - at["fault"]})
	assert.GreaterOrEqual(t, at["quiet"]-at["recovery"], hold)
	assert.Less(t, at["quiet"]-at["recovery"], 10*time.Second, "all was well, so recovery ends early")

	require.Len(t, v.Events, 1)
	kill := v.Events[0]
	assert.True(t, kill.Bitten)
	assert.Contains(t, kill.Evidence, "no process left on")
	assert.InDelta(t, at["fault"].Seconds(), kill.At.Seconds(), 0.2)
	require.Len(t, kill.Victims, 1)
	assert.Equal(t, "catalog", kill.Victims[0].Role)
	requireSums(t, rec)
	requireTimers(t, rec)
	requireUsage(t, rec)
	require.Len(t, kill.Predicted, 3, kill.Unpredicted)
	for _, p := range kill.Predicted {
		require.NotNil(t, p.Measured, p.Measure)
		assert.True(t, p.Inside, "%s was to come in %s to %s and came in %s", p.Measure, p.Least, p.Most, *p.Measured)
	}
	assert.Equal(t, []time.Duration{2 * time.Second, 6 * time.Second}, []time.Duration{kill.Predicted[2].Least, kill.Predicted[2].Most})

	last := rec.Entries[len(rec.Entries)-1]
	require.Equal(t, reports.KindEnd, last.Kind)
	assert.Positive(t, last.End.CPUSeconds)
}

// requireSums holds that the one load's books agree with the requests, whose
// first was due when warmup began, and that the endpoints of the gateway and
// the pods of both roles were recorded.
func requireSums(t *testing.T, rec *reports.Record) {
	t.Helper()
	_, at := phasesOf(rec)
	var requests, closed uint64
	first := reports.Never
	services, roles := map[string]bool{}, map[string]bool{}
	rec.EachRequest(func(load string, one sample.Sample) {
		assert.Equal(t, "browse", load)
		requests++
		first = min(first, one.Due)
		assert.NotEmpty(t, one.Instance+one.Error)
	})
	for _, e := range rec.Entries {
		switch e.Kind {
		case reports.KindLoad:
			closed++
			assert.True(t, e.Load.Complete)
			assert.Equal(t, requests, e.Load.Planned)
		case reports.KindEndpoint:
			services[e.Endpoint.Service] = services[e.Endpoint.Service] || len(e.Endpoint.Ready) > 0
		case reports.KindPod:
			roles[e.Pod.Role] = true
		}
	}
	assert.EqualValues(t, 1, closed)
	assert.Equal(t, at["warmup"], first)
	assert.Equal(t, map[string]bool{"squall/gateway": true, "squall/catalog": true}, services)
	assert.Equal(t, map[string]bool{"gateway": true, "catalog": true}, roles)
}

// requireTimers holds that the record has what the cluster runs with, read from
// the cluster and not from what it was asked for.
func requireTimers(t *testing.T, rec *reports.Record) {
	t.Helper()
	at := slices.IndexFunc(rec.Entries, func(e reports.Entry) bool { return e.Kind == reports.KindTimers })
	require.GreaterOrEqual(t, at, 0)
	timers := rec.Entries[at].Timers
	assert.Empty(t, timers.Missing)
	assert.Contains(t, timers.Flags["kube-controller-manager"], "leader-elect")
	assert.Contains(t, timers.Flags, "kube-apiserver")
	assert.Contains(t, timers.Flags, "kube-scheduler")
	require.Len(t, timers.Kubelets, 3)
	for i, k := range timers.Kubelets {
		assert.Equal(t, reports.KubeletTimers{Node: k.Node, ControlPlane: k.ControlPlane, Lease: 40 * time.Second, StatusUpdate: 10 * time.Second}, k)
		assert.Equal(t, strings.HasPrefix(k.Node, "control-plane"), k.ControlPlane, i)
	}
	tolerated := 300 * time.Second
	require.Len(t, timers.Pods, 2)
	assert.Equal(t, reports.PodTimers{
		Workload: "catalog", Controller: "ReplicaSet", Grace: timers.Pods[0].Grace, Start: 2 * time.Second,
		Period: time.Second, Successes: 1, NotReady: &tolerated, Unreachable: &tolerated,
	}, timers.Pods[0])
	assert.Positive(t, timers.Pods[0].Grace)
}

// errControlC is why the run of the next test ends.
var errControlC = errors.New("Ctrl-C")

func TestInterruptInTheFaultPhase(t *testing.T) {
	p := newProvider(t)
	ctx, interrupt := context.WithCancelCause(within(t))
	defer interrupt(nil)
	o := options(t, p, &screen{text: "hits catalog", seen: func() { interrupt(errControlC) }})
	s := podKill(t, "{warmup: 1s, steady: 1s, fault: 60s, recovery: 20s}")
	dir, v, err := Run(ctx, s, o)
	require.NoError(t, err)
	p.requireNothingLeft(t)
	requireNoProcess(t, o.Traffic[2])
	rec := open(t, s, dir, v)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	assert.Contains(t, strings.Join(v.Reasons, "\n"), "interrupted: the run was interrupted: Ctrl-C")
	names, at := phasesOf(rec)
	assert.Equal(t, []string{"up", "deploy", "warmup", "steady", "fault", "down"}, names)
	assert.Less(t, at["down"]-at["fault"], 5*time.Second)
	for _, e := range rec.Entries {
		if e.Kind == reports.KindLoad {
			assert.True(t, e.Load.Complete, "an interrupted generator still says what it did")
		}
	}
}

func TestGeneratorKilled(t *testing.T) {
	p := newProvider(t)
	var o Options
	o = options(t, p, &screen{text: "steady", seen: func() {
		for _, pid := range processes(t, o.Traffic[2]) {
			assert.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		}
	}})
	s := podKill(t, "{warmup: 1s, steady: 30s, fault: 3s, recovery: 20s}")
	dir, v, err := Run(within(t), s, o)
	require.NoError(t, err)
	p.requireNothingLeft(t)
	rec := open(t, s, dir, v)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	assert.Contains(t, strings.Join(v.Reasons, "\n"), `generator: the generator of load "browse" died`)
	_, at := phasesOf(rec)
	assert.Less(t, at["down"]-at["steady"], 10*time.Second, "there is no use in going on")
	closed := 0
	for _, e := range rec.Entries {
		if e.Kind == reports.KindLoad {
			closed++
			assert.False(t, e.Load.Complete)
			assert.Positive(t, e.Load.Sent)
		}
	}
	assert.Equal(t, 1, closed)
}

func TestErrorsBeforeThereIsACluster(t *testing.T) {
	p := newProvider(t)
	s := podKill(t, "{warmup: 1s, steady: 1s, fault: 3s, recovery: 4s}")
	o := options(t, p, &screen{})
	o.Images = image.Builder{} // no folder
	dir, _, err := Run(within(t), s, o)
	require.ErrorContains(t, err, `build what workload "shop" runs`)
	assert.Empty(t, dir)
	assert.Empty(t, p.names, "no cluster was asked for")

	o = options(t, p, &screen{})
	s.Spec.Cluster.Workers = 99
	dir, _, err = Run(within(t), s, o)
	require.ErrorIs(t, err, cluster.ErrSpec)
	require.ErrorContains(t, err, "99 workers asked for")
	assert.Empty(t, dir)
	p.requireNothingLeft(t)
	assert.NoDirExists(t, o.Runs)

	o.Traffic = nil
	_, _, err = Run(within(t), s, o)
	require.ErrorContains(t, err, "load generator is missing")
}

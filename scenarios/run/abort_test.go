package run

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/sample"
	"squall/workloads/traffic"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAborts(t *testing.T) {
	stop := `{name: stop, that: 'live("browse", duration("500ms")).availability < 0.5 || workload("catalog").ready == 0'}`
	for name, c := range map[string]struct {
		script func(p *player)
		want   []string
	}{
		"in warmup, at once": {func(p *player) { p.ready(0) },
			[]string{`stop ended all at 1s: live("browse", duration("500ms")).availability could not be told (of load "browse" 0s are known, less than 500ms), workload("catalog").ready was 0`}},
		"in warmup": {func(p *player) { p.serve(scriptWarmup, 2*time.Second, 503) },
			[]string{`stop ended all at 1.5s: live("browse", duration("500ms")).availability was 0, workload("catalog").ready was 3`}},
		"not at all": {func(p *player) { p.serve(scriptWarmup, scriptEnd, 200) },
			[]string{`it expired at 12s: workload("catalog").ready was 3`}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, play(t, waiting(t, kills("it", `workload("catalog").ready == 2`, "fault+9s"), stop), c.script))
		})
	}
}

// Once the run is ended nothing is waited for any more.
func TestAbortsEndAllWaiting(t *testing.T) {
	s := waiting(t, kills("it", `workload("catalog").ready == 2`, "fault+9s"), `{name: end, that: 'workload("catalog").ready == 0'}`)
	came := play(t, s, func(p *player) { p.at(5 * time.Second); p.ready(0); p.at(6 * time.Second); p.ready(2) })
	assert.Equal(t, []string{`end ended all at 5s: workload("catalog").ready was 0`}, came)
}

// slow is a lasting fault whose injection takes until somebody ends it.
type slow struct{ lasting }

func (s slow) Inject(ctx context.Context, _ chaos.Env, _ []chaos.Victim) error {
	s.did("inject")
	<-ctx.Done()
	return context.Cause(ctx)
}

// An abort while a fault is being injected undoes what there is of it.
func TestAbortedWhileItIsInjected(t *testing.T) {
	all, acts := happens(t, func(s *stub) chaos.Fault { return slow{lasting{s}} }, nil, 2*time.Second)
	assert.Equal(t, []told{{reports.StageInjected, 0, ""}, {reports.StageUndone, 2 * time.Second, "seen to be gone"}}, all)
	assert.Equal(t, []act{{"inject", 0}, {"undo", 2 * time.Second}, {"prove gone", 2 * time.Second}}, acts)
}

// What became true when the run was ended does not happen.
func TestAbortedWhenItBecameTrue(t *testing.T) {
	ctx, halt := context.WithCancelCause(t.Context())
	halt(errAborted)
	w := &conditions{waits: map[string]chan reports.Offset{"it": make(chan reports.Offset, 1)}}
	for range 20 { // whichever the runtime chooses
		w.waits["it"] <- 5 * time.Second
		_, ok := w.wait(ctx, "it")
		assert.False(t, ok)
		select {
		case <-w.waits["it"]:
		default:
		}
	}
}

func TestAnAbortedRunComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		undone, whole, want time.Duration // whole 0: never
		ends                time.Duration
	}{
		"undone, then whole": {2 * time.Second, 5 * time.Second, 6 * time.Second, time.Hour},
		"whole, then undone": {5 * time.Second, 2 * time.Second, 6 * time.Second, time.Hour},
		"never whole":        {2 * time.Second, 0, 2*time.Second + backLimit + afterwards, time.Hour},
		"interrupted":        {2 * time.Second, 0, 4 * time.Second, 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), c.ends, errControlC)
			defer cancel()
			clock := newClock()
			r := newRecorder(clock, (&tape{}).add, []workloads.Role{{Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: 1}})
			var faults sync.WaitGroup
			faults.Go(func() { time.Sleep(c.undone) })
			if c.whole > 0 {
				time.AfterFunc(c.whole, func() { r.seePod(ready("a", "1"), false) })
			}
			err := (&conductor{clock: clock, recorder: r}).comeBack(ctx, &faults)
			assert.InDelta(t, c.want.Seconds(), clock.now().Seconds(), lookEvery.Seconds(), name)
			assert.Equal(t, name == "interrupted", errors.Is(err, errControlC), name)
		})
	}
}

func TestCalmRunsHaveNoConditions(t *testing.T) {
	s := waiting(t, kills("it", `workload("catalog").ready == 2`, "fault+9s"), `{name: end, that: 'workload("catalog").ready == 0'}`)
	w, err := newConditions(s, Options{Calm: true})
	require.NoError(t, err)
	assert.Nil(t, w)
	w.see(reports.Entry{Kind: reports.KindPod, Pod: &reports.PodEntry{}}) // nil does nothing
	w.stop()
	assert.False(t, w.aborted())
}

// BenchmarkSee is what a recorded request costs whoever records it.
func BenchmarkSee(b *testing.B) {
	w := &conditions{polled: true, wake: make(chan struct{}, 1)}
	result := traffic.Result{Answer: &sample.Answer{}}
	for b.Loop() {
		if w.request("browse", result); len(w.sent) == 1000 { // as often as they are taken at 10 000/s
			w.sent = nil
		}
	}
}

// A real run: an entry that waits for another to be healed, a lasting fault that is
// on when a condition ends the run, and one that is left out.
func TestAbortUndoesAll(t *testing.T) {
	s := waiting(t, `{name: kill, at: fault+0s, chaos: {kind: PodChaos, spec: {action: pod-kill, mode: one, selector: {labelSelectors: {app: catalog}}}}},
    {name: dark, when: 'event("kill").healed <= duration("1m")', by: fault+9s, chaos: {kind: NodeChaos, spec: {action: power-off, mode: one, selector: {nodes: [worker/0]}}}},
    {name: later, at: recovery+10s, scale: {workload: catalog, replicas: 5}}`,
		`{name: dark, that: 'event("dark").happened && live("browse", duration("500ms")).requests > 0'}`)
	p := newProvider(t)
	dir, v, err := Run(within(t), s, options(t, p, &screen{}))
	require.NoError(t, err)
	p.requireNothingLeft(t)
	require.Equal(t, reports.Fail, v.Outcome, "%v", v.Reasons)
	rec := open(t, s, dir, v)
	require.NotNil(t, v.Aborted)
	assert.Contains(t, v.Reason, `fail (aborted): dark: event("dark").happened && live("browse", duration("500ms")).requests > 0 became true `)
	names, at := phasesOf(rec)
	assert.Equal(t, []string{"up", "deploy", "warmup", "steady", "fault", "quiet", "down"}, names)
	stages := map[string]reports.Offset{}
	lastDue := reports.Offset(0)
	for _, e := range rec.Entries {
		if e.Event != nil {
			stages[e.Event.Name+" "+string(e.Event.Stage)] = e.At
		}
	}
	rec.EachRequest(func(_ string, one sample.Sample) { lastDue = max(lastDue, one.Due) })
	for _, stage := range []string{"kill bitten", "dark triggered", "dark injected", "dark bitten", "dark undone"} {
		assert.Contains(t, stages, stage)
	}
	assert.Len(t, stages, 6, "nothing of what was to come: %v", stages)
	assert.Less(t, stages["dark injected"]-stages["dark triggered"], time.Second)
	assert.Less(t, stages["dark undone"], at["down"])
	assert.Greater(t, lastDue, stages["dark undone"], "load goes on until all is back")
	assert.Less(t, at["quiet"]-v.Aborted.At, time.Second)
}

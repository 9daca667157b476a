package run

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads"
	"squall/workloads/sample"
	"squall/workloads/traffic"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// The times of every scripted run: warmup from 1 s, fault from 3 s to 13 s.
const (
	scriptWarmup = time.Second
	scriptFault  = 3 * time.Second
	scriptEnd    = 33 * time.Second
)

// waiting is a scenario with these entries in its timeline and in abort.
func waiting(t *testing.T, timeline, abort string) *scenarios.Scenario {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: waiting}
spec:
  workloads: [{name: shop, shop: {services: [gateway, catalog], replicas: {catalog: 3}}}]
  load: [{name: browse, target: {service: gateway, port: http, path: /catalog}, rate: 100/s, good: {within: 250ms}}]
  phases: {warmup: 1s, steady: 1s, fault: 10s, recovery: 20s}
  timeline: [%s]
  abort: [%s]
  expect: [{name: held, that: 'run.lost == 0'}]
`, timeline, abort)
	f, err := scenarios.Parse("waiting.yaml", []byte(text), scenarios.WithChecker(judge.Check))
	require.NoError(t, err)
	return f.Scenario
}

// kills is an entry that kills a pod once a condition is true.
func kills(name, when, by string) string {
	return fmt.Sprintf("{name: %s, when: '%s', by: %s, chaos: {kind: PodChaos, spec: {action: pod-kill, mode: one, selector: {labelSelectors: {app: catalog}}}}}", name, when, by)
}

// player plays what a recorder would record.
type player struct {
	t     *testing.T
	w     *conditions
	clock clock
	mu    sync.Mutex
	came  []string
}

// at waits until an offset, and until all that happened before has been seen.
func (p *player) at(d time.Duration) {
	p.t.Helper()
	time.Sleep(d - p.clock.now())
	synctest.Wait()
}

func (p *player) ready(n int) {
	p.w.see(reports.Entry{At: p.clock.now(), Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{Name: "catalog", Desired: 3, Ready: n, Pods: n}})
}

func (p *player) event(name string, stage reports.Stage) {
	p.w.see(reports.Entry{At: p.clock.now(), Kind: reports.KindEvent, Event: &reports.EventEntry{Name: name, Stage: stage}})
}

// serve sends a result for every request due in [from, to), as soon as it is
// there, until the bubble's time is to.
func (p *player) serve(from, to time.Duration, code int) {
	for due := from; due < to; due += 10 * time.Millisecond {
		p.at(due + 5*time.Millisecond)
		p.w.request("browse", traffic.Result{
			Seq: uint64((due - scriptWarmup) / (10 * time.Millisecond)), Due: due, Sent: due, Done: due + 5*time.Millisecond, Answer: &sample.Answer{Code: code},
		})
	}
}

func (p *player) note(what string, at reports.Offset, one *judge.Condition, parts string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came = append(p.came, fmt.Sprintf("%s %s at %s: %s", one.Name, what, at, parts))
}

// play plays a script over the conditions of a scenario, and returns what came of
// them, and when.
func play(t *testing.T, s *scenarios.Scenario, script func(p *player)) []string {
	t.Helper()
	var came []string
	synctest.Test(t, func(t *testing.T) {
		w, err := newConditions(s, Options{Seed: 7})
		require.NoError(t, err)
		p := &player{t: t, w: w, clock: newClock()}
		w.clock, w.warmup, w.from, w.polls, w.by = p.clock, scriptWarmup, scriptFault, scriptWarmup, map[string]reports.Offset{}
		for _, step := range s.Spec.Timeline {
			w.by[step.Name] = scriptWarmup + s.Spec.Phases.Latest(step)
		}
		w.triggered = func(at reports.Offset, one *judge.Condition, parts string) { p.note("true", at, one, parts) }
		w.expired = func(at reports.Offset, one *judge.Condition, parts string) { p.note("expired", at, one, parts) }
		w.fall = func(at reports.Offset, one *judge.Condition, values []reports.Value) {
			p.note("ended all", at, one, judge.PartsText(values))
		}
		w.see(reports.Entry{At: scriptWarmup, Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: "warmup"}})
		p.ready(3)
		ctx, cancel := context.WithTimeout(t.Context(), scriptEnd)
		defer cancel()
		go w.watch(ctx)
		script(p)
		p.at(max(p.clock.now(), scriptEnd-time.Millisecond))
		w.stop()
		came = p.came
	})
	return came
}

func TestConditionsBecomeTrue(t *testing.T) {
	const one = `workload("catalog").ready < 3`
	live := `live("browse", duration("1s")).availability < 0.5`
	for name, c := range map[string]struct {
		when, by string
		script   func(p *player)
		want     string
	}{
		"at once": {`workload("catalog").ready == 3`, "fault+5s", func(*player) {},
			`it true at 3s: workload("catalog").ready was 3`},
		"at once is when fault begins": {one, "fault+5s", func(p *player) { p.at(2 * time.Second); p.ready(2) },
			`it true at 3s: workload("catalog").ready was 2`},
		"before fault, and no more": {one, "fault+5s", func(p *player) { p.at(2 * time.Second); p.ready(2); p.at(2500 * time.Millisecond); p.ready(3) },
			`it expired at 8s: workload("catalog").ready was 3`},
		"in between": {one, "fault+5s", func(p *player) { p.at(4123 * time.Millisecond); p.ready(2) },
			`it true at 4.123s: workload("catalog").ready was 2`},
		"for a moment": {one, "fault+5s", func(p *player) { p.at(4 * time.Second); p.ready(2); p.at(4010 * time.Millisecond); p.ready(3) },
			`it true at 4s: workload("catalog").ready was 2`},
		"for no time at all": {one, "fault+5s", func(p *player) { p.at(4 * time.Second); p.ready(2); p.ready(3) },
			`it true at 4s: workload("catalog").ready was 2`},
		"just before its moment": {one, "fault+5s", func(p *player) { p.at(8*time.Second - 1); p.ready(2) },
			`it true at 7.999999999s: workload("catalog").ready was 2`},
		"just after its moment": {one, "fault+5s", func(p *player) { p.at(8*time.Second + 1); p.ready(2) },
			`it expired at 8s: workload("catalog").ready was 3`},
		"never": {one, "recovery+15s", func(*player) {}, `it expired at 28s: workload("catalog").ready was 3`},
		"what it asks for is not known": {`workload("gateway").ready < 1`, "fault+5s", func(*player) {},
			`it expired at 8s: workload("gateway").ready could not be told (the record does not show the state of workload "gateway")`},
		"by requests": {live, "fault+5s", func(p *player) { p.serve(scriptWarmup, 4*time.Second, 200); p.serve(4*time.Second, 6*time.Second, 503) },
			`it true at 4.6s: live("browse", duration("1s")).availability was 0.4`},
		"by requests that have no answer": {live, "fault+5s", func(p *player) { p.serve(scriptWarmup, 4*time.Second, 200) },
			// The last 501 ms up to which all is known, 451 ms before, are overdue.
			`it true at 5s: live("browse", duration("1s")).availability was 0.45`},
		"by requests, exactly at its moment": {live, "fault+1600ms", func(p *player) { p.serve(scriptWarmup, 4*time.Second, 200); p.serve(4*time.Second, 6*time.Second, 503) },
			`it true at 4.6s: live("browse", duration("1s")).availability was 0.4`},
		"by requests, looked at at its moment": {live, "fault+1550ms", func(p *player) { p.serve(scriptWarmup, 4*time.Second, 200); p.serve(4*time.Second, 6*time.Second, 503) },
			`it true at 4.55s: live("browse", duration("1s")).availability was 0.45`},
		"by requests, too late": {live, "fault+1500ms", func(p *player) { p.serve(scriptWarmup, 4*time.Second, 200); p.serve(4*time.Second, 6*time.Second, 503) },
			`it expired at 4.5s: live("browse", duration("1s")).availability was 0.5`},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []string{c.want}, play(t, waiting(t, kills("it", c.when, c.by), ""), c.script))
		})
	}
}

// exactly at its moment: what is recorded then counts.
func TestConditionTrueExactlyAtItsMoment(t *testing.T) {
	s := waiting(t, kills("it", `workload("catalog").ready < 3`, "fault+5s"), "")
	synctest.Test(t, func(t *testing.T) {
		w, err := newConditions(s, Options{})
		require.NoError(t, err)
		var came []string
		w.clock, w.warmup, w.from, w.by = newClock(), scriptWarmup, scriptFault, map[string]reports.Offset{"it": 8 * time.Second}
		w.triggered = func(at reports.Offset, _ *judge.Condition, _ string) { came = append(came, "true at "+at.String()) }
		w.expired = func(reports.Offset, *judge.Condition, string) { came = append(came, "expired") }
		w.see(reports.Entry{At: 8 * time.Second, Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{Name: "catalog", Ready: 2}})
		w.round(8*time.Second + 50*time.Millisecond) // the look comes a little later
		assert.Equal(t, []string{"true at 8s"}, came)
		at, ok := w.wait(t.Context(), "it")
		assert.True(t, ok)
		assert.Equal(t, 8*time.Second, at)
	})
}

func TestEntriesWaitForOthers(t *testing.T) {
	// The second waits for the third, which stands after it and has a time.
	s := waiting(t, kills("first", `event("second").happened`, "fault+9s")+","+kills("second", `event("third").injected`, "fault+9s")+
		`,{name: third, at: fault+1s, scale: {workload: catalog, replicas: 5}}`, "")
	came := play(t, s, func(p *player) {
		p.at(4 * time.Second)
		p.event("third", reports.StageInjected)
		p.at(5 * time.Second)
		p.event("second", reports.StageInjected)
		p.at(6 * time.Second)
		p.event("second", reports.StageBitten)
	})
	assert.Equal(t, []string{`second true at 4s: event("third").injected was true`, `first true at 6s: event("second").happened was true`}, came)
}

// What a watch that was cut did not see is judged as it is recorded: late, or not
// at all.
func TestConditionsAndAWatchThatWasCut(t *testing.T) {
	for back, want := range map[int]string{
		2: `it expired at 12s: workload("catalog").ready was 2`,
		1: `it true at 6s: workload("catalog").ready was 1`,
	} {
		came := play(t, waiting(t, kills("it", `workload("catalog").ready == 1`, "fault+9s"), ""), func(p *player) {
			r := newRecorder(p.clock, p.w.see, []workloads.Role{{Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: 2}})
			r.seePod(ready("a", "1"), false)
			r.seePod(ready("b", "2"), false)
			p.at(6 * time.Second) // b went and c came while nobody looked, or only the former
			list := []*corev1.Pod{ready("a", "1"), ready("c", "5")}[:back]
			if back == 2 {
				r.seePod(list[1], false) // as a list is taken: what is there first
			}
			r.replacePods(list)
		})
		assert.Equal(t, []string{want}, came)
	}
}

func TestInterruptedWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := newConditions(waiting(t, kills("it", `workload("catalog").ready < 3`, "fault+5s"), ""), Options{})
		require.NoError(t, err)
		ctx, interrupt := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { interrupt(errControlC) })
		w.clock, w.by, w.from = newClock(), map[string]reports.Offset{"it": 8 * time.Second}, scriptFault
		go w.watch(ctx) // nothing is told: there is nobody to tell
		_, ok := w.wait(ctx, "it")
		assert.False(t, ok)
		w.stop()
		w.stop()
		w.see(reports.Entry{Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{}})
		assert.Empty(t, w.queue, "nothing gathers afterwards")
	})
}

package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/shop"

	"github.com/stretchr/testify/require"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// The phases of every built record, and where its one event is.
const (
	warmupAt   = 5 * sec
	steadyAt   = 8 * sec
	faultAt    = 15 * sec
	killAt     = faultAt
	recoveryAt = 25 * sec
	quietAt    = 45 * sec
	downAt     = 47 * sec
	every      = 10 * ms // between requests
)

// podKill is the scenario of design.md's example with one load, one event.
func podKill(expect ...scenarios.Expectation) *scenarios.Scenario {
	return &scenarios.Scenario{
		Metadata: scenarios.Metadata{Name: "pod-kill", Labels: map[string]string{"promise": "P02"}},
		Spec: scenarios.Spec{
			Workloads: []scenarios.Workload{{Name: "shop", Shop: &shop.Spec{
				Services: []string{"gateway", "catalog"}, Replicas: map[string]int{"catalog": 3},
			}}},
			Load: []scenarios.Load{{
				Name: "browse", Rate: scenarios.Pace{Rate: 100},
				Good: scenarios.Good{Status: "2xx", Within: 250 * ms},
			}},
			Phases:   scenarios.Phases{Warmup: 3 * sec, Steady: 7 * sec, Fault: 10 * sec, Recovery: 20 * sec},
			Timeline: []scenarios.Step{{Name: "kill", At: scenarios.Moment{Phase: "fault"}}},
			Expect:   expect,
		},
	}
}

func that(name, expression string) scenarios.Expectation {
	return scenarios.Expectation{Name: name, That: expression}
}

// tape builds a record.
type tape struct{ rec reports.Record }

// soundRun is a run in which all went as it should: 100 requests a second, each
// good after 5 ms, and a kill that healed after 4 s.
func soundRun(loads ...string) *tape {
	if len(loads) == 0 {
		loads = []string{"browse"}
	}
	t := &tape{rec: reports.Record{Header: reports.Header{
		Format: reports.Format, Scenario: "pod-kill", Kubernetes: "v1.36.3", NodeImage: "an-image",
		Provider: "embedded", Timers: "stock", Seed: 7,
	}}}
	for _, p := range []struct {
		name string
		at   time.Duration
	}{
		{"up", 0}, {"deploy", 2 * sec}, {"warmup", warmupAt}, {"steady", steadyAt}, {"fault", faultAt},
		{"recovery", recoveryAt}, {"quiet", quietAt}, {"down", downAt},
	} {
		t.add(p.at, reports.Entry{Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: p.name}})
	}
	for _, uid := range []string{"a", "b", "c"} {
		t.pod(3*sec, uid, reports.PodEntry{Ready: true})
	}
	t.ready(3*sec, 3)
	t.event(killAt, reports.StageInjected)
	t.pod(killAt+20*ms, "a", reports.PodEntry{Ready: true, Terminating: true})
	t.ready(killAt+20*ms, 2)
	t.pod(killAt+500*ms, "a", reports.PodEntry{Deleted: true})
	t.event(killAt+600*ms, reports.StageBitten)
	t.pod(killAt+4*sec, "d", reports.PodEntry{Ready: true})
	t.ready(killAt+4*sec, 3)
	for _, load := range loads {
		t.load(load)
	}
	t.add(downAt+sec, reports.Entry{Kind: reports.KindEnd, End: &reports.EndEntry{}})
	return t
}

func (t *tape) add(at time.Duration, e reports.Entry) {
	e.At = at
	t.rec.Entries = append(t.rec.Entries, e)
}

func (t *tape) load(name string) {
	seq := uint64(0)
	for due := warmupAt; due < quietAt; due += every {
		t.add(due, reports.Entry{Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: name, Seq: seq, Sent: due, Done: due + 5*ms, Code: 200,
		}})
		seq++
	}
	t.add(quietAt, reports.Entry{Kind: reports.KindLoad, Load: &reports.LoadEntry{
		Load: name, Planned: seq, Sent: seq, Complete: true,
	}})
}

func (t *tape) pod(at time.Duration, uid string, p reports.PodEntry) {
	p.Name, p.UID, p.Role = "shop/catalog-"+uid, uid, "catalog"
	t.add(at, reports.Entry{Kind: reports.KindPod, Pod: &p})
}

func (t *tape) ready(at time.Duration, ready int) {
	t.add(at, reports.Entry{Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{
		Name: "catalog", Desired: 3, Ready: ready, Pods: ready,
	}})
}

func (t *tape) event(at time.Duration, stage reports.Stage) *reports.EventEntry {
	e := &reports.EventEntry{
		Name: "kill", Stage: stage, Fault: "PodChaos pod-kill", Detail: "detail of " + string(stage),
		Victims: []reports.Victim{{Role: "catalog", Pod: "shop/catalog-a", UID: "a", Node: "worker-1"}},
	}
	t.add(at, reports.Entry{Kind: reports.KindEvent, Event: e})
	return e
}

func (t *tape) trouble(class reports.TroubleClass) {
	t.add(20*sec, reports.Entry{Kind: reports.KindTrouble, Trouble: &reports.TroubleEntry{Class: class, What: "something happened"}})
}

// requests changes those due in [from, to).
func (t *tape) requests(from, to time.Duration, change func(due time.Duration, r *reports.RequestEntry)) {
	for i := range t.rec.Entries {
		if e := &t.rec.Entries[i]; e.Kind == reports.KindRequest && e.At >= from && e.At < to {
			change(e.At, e.Request)
		}
	}
}

// fail makes the requests due in [from, to) bad.
func (t *tape) fail(from, to time.Duration) {
	t.requests(from, to, func(_ time.Duration, r *reports.RequestEntry) { r.Code = 503 })
}

// drop removes the entries that match.
func (t *tape) drop(match func(e reports.Entry) bool) {
	var kept []reports.Entry
	for _, e := range t.rec.Entries {
		if !match(e) {
			kept = append(kept, e)
		}
	}
	t.rec.Entries = kept
}

// workloadsAfter removes the states of the workload from an offset on.
func (t *tape) workloadsAfter(at time.Duration) {
	t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindWorkload && e.At >= at })
}

// values judges the expressions in one scenario over t: each must be an
// expression of type bool, "x == x" for those that are not.
func finding(tb testing.TB, t *tape, expression string) reports.Finding {
	tb.Helper()
	s := podKill(that("it", expression))
	require.NoError(tb, judge.Check(s, s.Spec.Expect[0]))
	v := judge.Judge(s, &t.rec)
	require.Len(tb, v.Expect, 1)
	return v.Expect[0]
}

// value is what one measure came to.
func value(tb testing.TB, t *tape, measure string) string {
	tb.Helper()
	f := finding(tb, t, measure+" == "+measure)
	require.NotEmpty(tb, f.Values)
	return f.Values[0].Value
}

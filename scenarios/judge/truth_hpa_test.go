package judge_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"
	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// hpaScripts is how many scripts of autoscalers are played, hpaAsked how many
	// measures of each are asked for, hpaTick the time of which all moments are
	// multiples.
	hpaScripts = 400
	hpaAsked   = 10
	hpaTick    = 500 * ms
)

// hpaScript is a run with an autoscaler of which all is known. Its phases are long:
// autoscalers take their time.
type hpaScript struct {
	timers string
	starts map[string]time.Duration
	killed time.Duration
	hpa    map[time.Duration]reports.HPAEntry // from when on it is so
	ready  map[time.Duration]int              // likewise
	bad    map[time.Duration]bool             // of each request, by when it was due
}

func newHPAScript(seed uint64) *hpaScript {
	r := rand.New(rand.NewPCG(seed, 21))
	upTo := func(from, to time.Duration) time.Duration { return upTo(r, from, to).Round(hpaTick) }
	s := &hpaScript{timers: []string{"stock", "fast"}[r.IntN(2)], starts: map[string]time.Duration{"up": 0, "deploy": hpaTick},
		hpa: map[time.Duration]reports.HPAEntry{}, ready: map[time.Duration]int{}, bad: map[time.Duration]bool{}}
	at := sec
	for _, p := range []struct {
		name        string
		least, most time.Duration
	}{{"warmup", sec, 2 * sec}, {"steady", 2 * sec, 10 * sec}, {"fault", 10 * sec, 150 * sec}, {"recovery", 5 * sec, 90 * sec}, {"quiet", sec, 2 * sec}, {"down", 0, 0}} {
		s.starts[p.name] = at
		at += upTo(p.least, p.most)
	}
	end := s.starts["down"] + sec
	s.killed = upTo(s.starts["fault"], s.starts["recovery"])
	s.hpa[hpaTick] = s.decides(r)
	for range r.IntN(6) {
		s.hpa[upTo(hpaTick, end)] = s.decides(r)
	}
	s.ready[hpaTick] = r.IntN(4)
	if r.IntN(12) == 0 {
		clear(s.ready)
	}
	for range r.IntN(12) {
		s.ready[upTo(hpaTick, end)] = r.IntN(7)
	}
	if r.IntN(8) > 0 {
		for due := s.starts["warmup"]; due < s.starts["quiet"]; due += 500 * ms {
			s.bad[due] = r.IntN(3) == 0
		}
	}
	return s
}

// decides is what an autoscaler may say of itself.
func (*hpaScript) decides(r *rand.Rand) reports.HPAEntry {
	one := reports.HPAEntry{Name: "gateway", Target: "Deployment/gateway", Min: 1, Max: 6, Current: 1 + r.IntN(3), Desired: r.IntN(5), Deleted: r.IntN(25) == 0}
	if r.IntN(15) == 0 {
		return one // its controller has not looked yet
	}
	one.Conditions = []reports.HPACondition{
		{Type: "AbleToScale", Status: "True", Reason: []string{"ReadyForNewScale", "ReadyForNewScale", "SucceededRescale", "ScaleDownStabilized"}[r.IntN(4)]},
		{Type: "ScalingActive", Status: []string{"True", "True", "True", "True", "False"}[r.IntN(5)]},
		{Type: "ScalingLimited", Status: []string{"True", "False", "False"}[r.IntN(3)],
			Reason: []string{"TooManyReplicas", "ScaleUpLimit", "TooFewReplicas", "DesiredWithinRange"}[r.IntN(4)]},
	}
	if r.IntN(15) == 0 {
		one.Conditions[0] = reports.HPACondition{Type: "AbleToScale", Status: "False", Reason: "FailedGetScale"}
	}
	return one
}

func (s *hpaScript) record() *tape {
	t := &tape{rec: reports.Record{Header: reports.Header{Scenario: "pod-kill", Timers: s.timers}}}
	for name, at := range s.starts {
		t.add(at, reports.Entry{Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: name}})
	}
	for due, bad := range s.bad {
		code := map[bool]int{false: 200, true: 503}[bad]
		t.add(due, reports.Entry{Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: "browse", Seq: uint64(due / ms), Sent: due, Done: due + ms, Code: code}})
	}
	for at, hpa := range s.hpa {
		t.add(at, reports.Entry{Kind: reports.KindHPA, HPA: &hpa})
	}
	for at, n := range s.ready {
		t.add(at, reports.Entry{Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{Name: "gateway", Ready: n, Desired: 9}})
	}
	t.event(s.killed, reports.StageInjected)
	t.add(s.starts["down"]+sec, reports.Entry{Kind: reports.KindEnd, End: &reports.EndEntry{}})
	return t
}

// TestAutoscalersAgainstAScriptedTruth plays scripts in which all that an autoscaler
// says is known, and holds each of its measures to a naive one.
func TestAutoscalersAgainstAScriptedTruth(t *testing.T) {
	seen := map[string]map[string]bool{}
	for seed := range uint64(hpaScripts) {
		s := newHPAScript(seed)
		var truths []truth
		for _, w := range []struct {
			expr, as string
			from, to time.Duration
		}{
			{`hpa("gateway")`, "hpa.desired", s.starts["warmup"], s.starts["down"]},
			{`fault.hpa("gateway")`, "window.hpa(h)", s.starts["fault"], s.starts["recovery"]},
			{`load("browse").run.hpa("gateway")`, "window.hpa(h)", s.starts["warmup"], s.starts["quiet"]},
			{`event("kill").hpa("gateway")`, "window.hpa(h)", s.killed, s.starts["quiet"]},
		} {
			truths = append(truths, s.scaling(w.from, w.to).truths(w.expr, w.as)...)
		}
		rand.New(rand.NewPCG(seed, 22)).Shuffle(len(truths), func(i, j int) { truths[i], truths[j] = truths[j], truths[i] })
		truths = truths[:hpaAsked]
		scenario := podKill()
		scenario.Spec.Workloads[0].Shop.Autoscale = map[string]shop.Autoscale{"gateway": {Min: 1, Max: 6, CPU: 60}}
		for _, one := range truths {
			scenario.Spec.Expect = append(scenario.Spec.Expect, that(one.expr, one.expr+" == "+one.expr))
		}
		v := judge.Judge(scenario, &s.record().rec)
		for i, one := range truths {
			require.NotEmpty(t, v.Expect[i].Values, v.Expect[i].Why)
			want, got := one.want(), v.Expect[i].Values[0].Value
			if strings.HasPrefix(got, "absent: ") {
				got = "absent"
			}
			require.Equal(t, want, got, "seed %d: %s: %s\n%+v", seed, one.expr, v.Expect[i].Values[0].Value, s)
			if seen[one.measure] == nil {
				seen[one.measure] = map[string]bool{}
			}
			seen[one.measure][want] = true
		}
	}
	for _, m := range judge.Measures() {
		if !ofAutoscalers(m) {
			continue
		}
		known := seen[m.Of+"."+m.Name]
		delete(known, "absent")
		assert.GreaterOrEqual(t, len(known), 2, "%s.%s came to too few values for the scripts to tell anything", m.Of, m.Name)
	}
}

// ofAutoscalers tells whether a measure has scripts of its own.
func ofAutoscalers(m judge.Measure) bool { return m.Of == "hpa" || m.Name == "hpa(h)" }

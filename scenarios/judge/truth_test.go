package judge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// scripts is how many random scripts are played.
	scripts = 400
	// asked is how many measures of each are held to the truth, each in one of the
	// ways to ask for it: most of the time goes into reading expressions. Every
	// measure is asked for in a hundred scripts at least.
	asked = 16
)

// TestEveryMeasureAgainstAScriptedTruth plays scripts in which it is known when a
// server is out, slow or not asked, and when a pod goes and comes back, and holds
// each measure to a naive computation of its definition over the script.
func TestEveryMeasureAgainstAScriptedTruth(t *testing.T) {
	seen := map[string]map[string]bool{}
	for seed := range uint64(scripts) {
		s := newScript(seed)
		truths := s.some()
		scenario := s.scenario()
		for _, one := range truths {
			scenario.Spec.Expect = append(scenario.Spec.Expect, that(one.expr, one.expr+" == "+one.expr))
		}
		rec := s.record()
		v := judge.Judge(scenario, &rec.rec)
		for i, one := range truths {
			require.NotEmpty(t, v.Expect[i].Values, v.Expect[i].Why)
			want, got := one.want(), v.Expect[i].Values[0].Value
			if strings.HasPrefix(got, "absent: ") {
				got = "absent"
			}
			require.Equal(t, want, got, "seed %d: %s\n%+v", seed, one.expr, s)
			if seen[one.measure] == nil {
				seen[one.measure] = map[string]bool{}
			}
			seen[one.measure][want] = true
		}
	}
	for _, m := range judge.Measures() {
		if m.Condition || ofAutoscalers(m) { // see live_test.go
			continue
		}
		known := seen[m.Of+"."+m.Name]
		delete(known, "absent")
		assert.GreaterOrEqual(t, len(known), 2, "%s.%s came to too few values for the scripts to tell anything", m.Of, m.Name)
	}
}

// some are truths of the script about as many measures as are asked for, one of each.
func (s *script) some() (chosen []truth) {
	r := rand.New(rand.NewPCG(s.seed, 12))
	of := map[string][]truth{}
	var names []string
	for _, one := range s.truths() {
		if of[one.measure] == nil {
			names = append(names, one.measure)
		}
		of[one.measure] = append(of[one.measure], one)
	}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:asked] {
		chosen = append(chosen, of[name][r.IntN(len(of[name]))])
	}
	return chosen
}

// truth is what a measure must come to.
type truth struct {
	measure, expr string
	want          func() string
}

// hit is one request of the script, and what became of it by the script.
type hit struct {
	due, took time.Duration
	result    string // good, bad, skipped
	target    string
	version   string // empty: the answer named none, or there was none
	class     string // full, degraded, failed; empty when it was skipped
}

// loss is what becomes of one victim, and of its replacement; -1 is never.
type loss struct {
	uid, role                 string
	seen, withdrawn, replaced time.Duration
}

// script is a run of which all is known. All its moments are multiples of tick.
type script struct {
	seed           uint64
	starts         map[string]time.Duration
	hits           map[string][]hit // by load
	loads          []string
	killed, second time.Duration
	lasting        bool
	undone         time.Duration // -1: never
	bitten         bool
	losses         []loss
	desired        map[string]int
	bystander      []reports.WorkloadEntry    // states of gateway, one a second from 1 s on
	node           []reports.NodeEntry        // states of worker-1, one a second from 1 s on
	restarts       map[string][]time.Duration // of gateway's pods, by UID
	rollouts       []rolloutAt                // of what the event "second" changed
	cordons        []cordonAt                 // of the nodes of the event "drain"
	tenants        []tenantsAt                // likewise
	third          bool                       // a third event is injected
	usage          map[time.Duration][]reports.UsageEntry
}

const tick = 10 * ms

// upTo is a random moment in [from, to), a multiple of tick.
func upTo(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(max(1, int64((to-from)/tick))))*tick
}

func newScript(seed uint64) *script {
	r := rand.New(rand.NewPCG(seed, 11))
	s := &script{seed: seed, starts: map[string]time.Duration{"up": 0, "deploy": 100 * ms}, hits: map[string][]hit{}, desired: map[string]int{"catalog": 3, "gateway": 2}}
	at := sec
	for _, p := range []struct {
		name        string
		least, most time.Duration
	}{{"warmup", 500 * ms, sec}, {"steady", sec, 3 * sec}, {"fault", sec, 4 * sec}, {"recovery", 3 * sec, 9 * sec}, {"quiet", sec, 2 * sec}, {"down", 0, 0}} {
		s.starts[p.name] = at
		at += upTo(r, p.least, p.most)
	}
	s.killed = upTo(r, s.starts["fault"], s.starts["recovery"])
	s.second = upTo(r, s.killed, s.starts["quiet"])
	s.lasting, s.bitten, s.undone = r.IntN(2) == 0, r.IntN(4) > 0, -1
	if r.IntN(4) > 0 {
		s.undone = upTo(r, s.killed, s.starts["quiet"])
	}
	s.loads = []string{"browse", "buy"}[:1+r.IntN(2)]
	for _, load := range s.loads {
		s.hits[load] = s.requests(r)
	}
	s.pods(r)
	for range 20 {
		s.bystander = append(s.bystander, reports.WorkloadEntry{Name: "gateway", Desired: 1 + r.IntN(3), Ready: r.IntN(3), Pods: r.IntN(4)})
		s.node = append(s.node, reports.NodeEntry{Name: "worker-1", Ready: r.IntN(2) == 0, Unschedulable: r.IntN(2) == 0, Deleted: r.IntN(5) == 0})
	}
	s.usage = map[time.Duration][]reports.UsageEntry{}
	for at := upTo(r, 0, sec); at < s.starts["down"]+sec; at += []time.Duration{300 * ms, 700 * ms, 4 * sec}[seed%3] {
		s.usage[at] = []reports.UsageEntry{use(r, "worker-1"), use(r, "worker-2")}
	}
	s.restarts = map[string][]time.Duration{}
	for i := range 3 {
		for range r.IntN(4) {
			uid := fmt.Sprint("g", i)
			s.restarts[uid] = append(s.restarts[uid], upTo(r, 500*ms, s.starts["down"]+sec))
		}
		slices.Sort(s.restarts[fmt.Sprint("g", i)])
	}
	s.rollouts = randomRollouts(r, s.second-sec, s.starts["down"]+500*ms)
	s.randomDrain(r)
	s.third = r.IntN(2) == 0
	return s
}

// use is what a node may tell of what is used on it.
func use(r *rand.Rand, node string) reports.UsageEntry {
	if r.IntN(4) == 0 {
		return reports.UsageEntry{Node: node, Unread: "no answer within 2s"}
	}
	e := reports.UsageEntry{Node: node, CPU: 1, Memory: 1 << 30}
	for range r.IntN(4) {
		e.Pods = append(e.Pods, reports.PodUsage{Role: []string{"gateway", "gateway", "catalog", ""}[r.IntN(4)], CPU: float64(r.IntN(8)) / 4, Memory: int64(r.IntN(1000))})
	}
	return e
}

// requests are those of one load: good but for outages, slowness, gaps, and a few
// that fail by themselves.
func (s *script) requests(r *rand.Rand) []hit {
	type spell struct {
		from, to time.Duration
		result   string
	}
	var spells []spell
	for range r.IntN(5) {
		from := upTo(r, s.starts["warmup"], s.starts["quiet"])
		length := upTo(r, 0, []time.Duration{200 * ms, 2 * sec, 6 * sec}[r.IntN(3)])
		spells = append(spells, spell{from, from + length, []string{"bad", "bad", "late", "skipped"}[r.IntN(4)]})
	}
	every := []time.Duration{20 * ms, 30 * ms, 50 * ms, 2 * sec}[r.IntN(4)]
	stray := []int{0, 0, 500, 20}[r.IntN(4)]
	var all []hit
	for due := s.starts["warmup"]; due < s.starts["down"]; due += every {
		one := hit{due: due, took: time.Duration(1+r.IntN(40)) * ms, result: "good"}
		if r.IntN(20) == 0 {
			one.took = 250 * ms // just in time
		}
		for _, p := range spells {
			if due >= p.from && due < p.to {
				one.result = p.result
			}
		}
		if stray > 0 && r.IntN(stray) == 0 {
			one.result = "bad"
		}
		if one.result == "late" {
			one.result, one.took = "bad", 251*ms
		}
		one.target = []string{"list", "order"}[r.IntN(2)]
		one.version = []string{"v1", "v1", "v2", ""}[r.IntN(4)]
		if one.result != "skipped" {
			one.class = []string{"full", "full", "degraded", "failed"}[r.IntN(4)]
		}
		all = append(all, one)
	}
	return all
}

// pods are those that the event hits, and what becomes of them. No replacement
// comes before its pod is gone.
func (s *script) pods(r *rand.Rand) {
	for i := range 1 + r.IntN(3) {
		one := loss{uid: fmt.Sprint("v", i), role: []string{"catalog", "catalog", "cart"}[r.IntN(3)], seen: -1, withdrawn: -1, replaced: -1}
		if r.IntN(12) > 0 {
			one.seen = upTo(r, s.killed, s.starts["quiet"])
		}
		if r.IntN(12) > 0 {
			one.withdrawn = upTo(r, s.killed+tick, s.starts["down"])
		}
		if one.seen >= 0 && r.IntN(8) > 0 {
			one.replaced = upTo(r, one.seen+tick, s.starts["down"])
		}
		s.losses = append(s.losses, one)
	}
}

func (s *script) scenario() *scenarios.Scenario {
	made := podKill()
	made.Spec.Cluster.Workers = 1
	made.Spec.Load[0].By = map[string]string{"version": "header/X-Version"}
	made.Spec.Load[0].Classes = &scenarios.Classes{Degraded: &scenarios.Answer{Status: "206"}}
	made.Spec.Load[0].Targets = []scenarios.MixedTarget{{Name: "list", Weight: 1}, {Name: "order", Weight: 1}}
	for _, name := range s.loads[1:] {
		load := made.Spec.Load[0]
		load.Name = name
		made.Spec.Load = append(made.Spec.Load, load)
	}
	made.Spec.Timeline = append(made.Spec.Timeline, scenarios.Step{Name: "second", At: scenarios.Moment{Phase: "recovery"}},
		scenarios.Step{Name: "drain", At: scenarios.Moment{Phase: "recovery"}, Drain: &scenarios.Drain{Mode: "one"}},
		scenarios.Step{Name: "third", At: scenarios.Moment{Phase: "recovery"}})
	return made
}

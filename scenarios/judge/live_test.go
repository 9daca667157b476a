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
	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stream is a load that is being sent, of which all is known.
type stream struct {
	hits     []hit
	arrivals []time.Duration // when each result comes; -1: never
	entries  []sample.Sample
}

// within is the good.within of the load in podKill.
const goodWithin = 250 * ms

// newStream is a load with outages, slow answers, gaps and results that are long
// on their way.
func newStream(s *scenarios.Scenario, seed uint64) *stream {
	r := rand.New(rand.NewPCG(seed, 21))
	load := s.Spec.Load[0]
	from, weights := s.Draws(load, seed)
	type spell struct {
		from, to time.Duration
		what     string
	}
	var spells []spell
	for range r.IntN(5) {
		at := upTo(r, warmupAt, quietAt)
		spells = append(spells, spell{at, at + upTo(r, 0, 6*sec), []string{"bad", "late", "skipped", "hung", "jammed", "swift"}[r.IntN(6)]})
	}
	one := &stream{}
	for due := warmupAt; due < quietAt; due += every {
		seq := uint64(len(one.hits))
		h := hit{due: due, took: time.Duration(1+r.IntN(40)) * ms, result: "good", target: load.Targets[from.Pick(seq, weights)].Name, version: []string{"v1", "v2", ""}[r.IntN(3)]}
		onTheWay := time.Duration(r.IntN(60)) * ms
		for _, p := range spells {
			if due < p.from || due >= p.to {
				continue
			}
			switch p.what {
			case "bad", "skipped":
				h.result = p.what
			case "late":
				h.result, h.took = "bad", upTo(r, 251*ms, 3*sec)
			case "hung":
				h.result, h.took = "bad", 5*sec
			case "jammed":
				onTheWay = sec
			case "swift": // all is known at once
				h.took, onTheWay = ms, 0
			}
		}
		if h.result == "bad" && h.took < goodWithin {
			h.version = ""
		}
		if h.result == "skipped" {
			h.version, h.took = "", 0
		}
		e := sample.Sample{Seq: seq, Due: due, Sent: due, Done: due + h.took, Answer: &sample.Answer{Code: 200, Target: h.target, Skipped: h.result == "skipped"}}
		if h.version != "" {
			e.By = map[string]string{"version": h.version}
		}
		if h.result == "bad" && h.took < goodWithin {
			e.Code, e.Error = 0, "connection refused"
		}
		one.hits, one.entries = append(one.hits, h), append(one.entries, e)
		one.arrivals = append(one.arrivals, due+h.took+onTheWay)
	}
	return one
}

// known is what a naive look says at a moment: every request up to the first that
// may still be good and has no result.
func (s *stream) known(now time.Duration) (hits []hit, until time.Duration) {
	for i, one := range s.hits {
		if one.due >= now {
			break
		}
		switch waited := now - one.due; {
		case s.arrivals[i] <= now:
		case waited > goodWithin+200*ms:
			one.result, one.took, one.version = "bad", waited-200*ms, ""
		default:
			return hits, one.due
		}
		hits = append(hits, one)
	}
	return hits, now
}

// TestLiveAgainstAScriptedTruth plays streams of results and holds live(load, d)
// to a naive computation at random moments.
func TestLiveAgainstAScriptedTruth(t *testing.T) {
	seen := map[string]map[string]bool{}
	for seed := range uint64(20) {
		s := podKill()
		s.Spec.Load[0].By = map[string]string{"version": "header/X-Version"}
		s.Spec.Load[0].Targets = []scenarios.MixedTarget{{Name: "list", Weight: 1}, {Name: "order", Weight: 2}}
		r := rand.New(rand.NewPCG(seed, 22))
		d := []time.Duration{500 * ms, 2 * sec, 5 * sec}[seed%3]
		live := fmt.Sprintf("live(%q, duration(%q))", "browse", d)
		measures := []string{"lost", "good", "requests", "skipped", "availability", "p99", "max", "longest_outage",
			`worst(duration("300ms"))`, `target("order").requests`, `target("order").lost`, `by("version", "v2").good`, `by("version", "").lost`}
		var parts []string
		for _, m := range measures {
			parts = append(parts, live+"."+m+" == "+live+"."+m)
		}
		condition := strings.Join(parts, " && ")
		s.Spec.Abort = []scenarios.Expectation{{Name: "never", That: condition, Condition: true}}
		require.NoError(t, judge.Check(s, s.Spec.Abort[0]))
		c, err := judge.NewConditions(s, seed)
		require.NoError(t, err)
		c.Take(&reports.Entry{At: warmupAt, Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: "warmup"}})
		flow := newStream(s, seed)
		order := make([]int, len(flow.hits))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(flow.arrivals[a] - flow.arrivals[b]) })
		for now := warmupAt; now < quietAt; now += tick + upTo(r, 0, 2*sec) + time.Duration(r.IntN(10))*ms {
			for len(order) > 0 && flow.arrivals[order[0]] <= now {
				c.Request("browse", flow.entries[order[0]])
				order = order[1:]
			}
			c.Advance(now)
			hits, until := flow.known(now)
			require.Equal(t, until, c.Known()["browse"], "seed %d at %s", seed, now)
			got := c.Parts(c.All()[0])
			require.Len(t, got, len(measures))
			for i, m := range measures {
				want, is := "absent", got[i].Value
				if until-d >= warmupAt {
					want = liveTruth(m, within(hits, until-d, until), until-d, until)
				}
				if strings.HasPrefix(is, "absent: ") {
					is = "absent"
				}
				require.Equal(t, want, is, "seed %d at %s, known to %s: %s", seed, now, until, m)
				if seen[m] == nil {
					seen[m] = map[string]bool{}
				}
				seen[m][want] = true
			}
		}
	}
	for m, values := range seen {
		assert.Greater(t, len(values), 3, m)
	}
}

// liveTruth is a measure of a window as its definition reads.
func liveTruth(measure string, hits []hit, from, to time.Duration) string {
	if rest, narrowed := strings.CutPrefix(measure, `target("order").`); narrowed {
		return liveTruth(rest, only(hits, func(one hit) bool { return one.target == "order" }), from, to)
	}
	for _, version := range []string{"v2", ""} {
		if rest, narrowed := strings.CutPrefix(measure, fmt.Sprintf("by(\"version\", %q).", version)); narrowed {
			return liveTruth(rest, only(hits, func(one hit) bool { return one.version == version }), from, to)
		}
	}
	sent := count(hits, "good") + count(hits, "bad")
	switch measure {
	case "requests":
		return fmt.Sprint(sent)
	case "good", "skipped":
		return fmt.Sprint(count(hits, measure))
	}
	if sent == 0 {
		return "absent"
	}
	switch measure {
	case "lost":
		return fmt.Sprint(count(hits, "bad"))
	case "availability":
		return share(hits)
	case "p99":
		return duration(rank(hits, 990))
	case "max":
		return duration(rank(hits, 1000))
	case "longest_outage":
		return duration(outage(hits, to))
	}
	return worst(hits, from, to, 300*ms)
}

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

// cordonAt is whether a node takes pods from a moment on, tenantsAt which pods are
// on it.
type cordonAt struct {
	at       time.Duration
	node     string
	cordoned bool
}

type tenantsAt struct {
	at   time.Duration
	node string
	pods []string
}

// randomDrain makes up what becomes of the two nodes of the event "drain", which is
// injected with "second": they are cordoned, or not, and taken back, their pods go,
// or not, and may come back.
func (s *script) randomDrain(r *rand.Rand) {
	for i := range 2 {
		node := fmt.Sprint("drained-", i)
		moment := func() time.Duration { return upTo(r, s.second-sec, s.starts["down"]+500*ms) }
		if r.IntN(3) == 0 {
			s.cordons = append(s.cordons, cordonAt{upTo(r, 0, s.second), node, r.IntN(3) == 0})
		}
		for n := range r.IntN(4) {
			s.cordons = append(s.cordons, cordonAt{moment(), node, n%2 == 0})
		}
		if r.IntN(6) > 0 {
			s.tenants = append(s.tenants, tenantsAt{300 * ms, node, []string{"a", "b"}[:r.IntN(3)]})
		}
		for range r.IntN(4) {
			s.tenants = append(s.tenants, tenantsAt{moment(), node, []string{"a", "b"}[:r.IntN(2)]})
		}
	}
	slices.SortStableFunc(s.cordons, func(a, b cordonAt) int { return int(a.at - b.at) })
	slices.SortStableFunc(s.tenants, func(a, b tenantsAt) int { return int(a.at - b.at) })
}

func (s *script) recordDrain(t *tape) {
	var victims []reports.Victim
	for i := range 2 {
		victims = append(victims, reports.Victim{Role: "worker", Ordinal: i, Node: fmt.Sprint("drained-", i)})
	}
	t.add(s.second, reports.Entry{Kind: reports.KindEvent, Event: &reports.EventEntry{Name: "drain", Stage: reports.StageInjected, Step: "drain", Lasting: true, Victims: victims}})
	for _, one := range s.cordons {
		t.add(one.at, reports.Entry{Kind: reports.KindNode, Node: &reports.NodeEntry{Name: one.node, Ready: true, Unschedulable: one.cordoned}})
	}
	for _, one := range s.tenants {
		t.add(one.at, reports.Entry{Kind: reports.KindTenants, Tenants: &reports.TenantsEntry{Node: one.node, Evictable: one.pods}})
	}
}

// drained looks at every tick whether a node is cordoned and empty. Where two states
// have the same moment the later line counts.
func (s *script) drained() string {
	last := time.Duration(0)
	for i := range 2 {
		at, known := s.empty(fmt.Sprint("drained-", i))
		if !known {
			return "absent"
		}
		last = max(last, at)
	}
	if last > s.starts["down"] {
		return "never"
	}
	return duration(last - s.second)
}

// empty is when a node was cordoned and empty; never when that stretch ended first.
func (s *script) empty(node string) (at time.Duration, known bool) {
	shown := slices.ContainsFunc(s.tenants, func(one tenantsAt) bool { return one.node == node })
	begun := false
	for at := s.second; at < s.starts["down"]+sec; at += tick {
		cordoned, changed := false, false
		for _, one := range s.cordons {
			if one.node == node && one.at >= s.second && one.at <= at {
				cordoned, changed = one.cordoned, changed || one.cordoned
			}
		}
		if begun = begun || changed; !begun {
			continue
		}
		if !cordoned {
			return reports.Never, shown
		}
		pods := []string{"unknown"}
		for _, one := range s.tenants {
			if one.node == node && one.at <= at {
				pods = one.pods
			}
		}
		if len(pods) == 0 {
			return at, shown
		}
	}
	return reports.Never, shown && begun
}

func TestDrainedCountsWhileTheNodesAreCordoned(t *testing.T) {
	const nobody, somebody = 0, 1
	type change struct {
		at       time.Duration // after the injection
		cordoned bool
	}
	type pods struct {
		at time.Duration
		n  int
	}
	for name, one := range map[string]struct {
		cordons []change
		tenants []pods
		want    string
		sooner  time.Duration // by how much the second node is emptied sooner
	}{
		"emptied":                         {[]change{{tick, true}}, []pods{{-sec, somebody}, {30 * tick, nobody}}, "300ms", 0},
		"the last of them counts":         {[]change{{tick, true}}, []pods{{-sec, somebody}, {30 * tick, nobody}}, "300ms", 20 * tick},
		"empty before":                    {[]change{{tick, true}}, []pods{{-sec, nobody}}, "10ms", 0},
		"empty before, and not then":      {[]change{{3 * tick, true}}, []pods{{-sec, nobody}, {tick, somebody}, {5 * tick, nobody}}, "50ms", 0},
		"emptied as it was uncordoned":    {[]change{{tick, true}, {20 * tick, false}}, []pods{{-sec, somebody}, {30 * tick, nobody}}, "never", 0},
		"emptied when cordoned again":     {[]change{{tick, true}, {20 * tick, false}, {25 * tick, true}}, []pods{{-sec, somebody}, {30 * tick, nobody}}, "never", 0},
		"never emptied":                   {[]change{{tick, true}}, []pods{{-sec, somebody}}, "never", 0},
		"cordoned by others, long before": {[]change{{-sec, true}}, []pods{{-sec, nobody}}, "absent", 0},
		"not looked at":                   {[]change{{tick, true}}, nil, "absent", 0},
	} {
		s := newScript(1)
		s.second, s.cordons, s.tenants = s.starts["fault"], nil, nil
		for i := range 2 {
			node := fmt.Sprint("drained-", i)
			for _, c := range one.cordons {
				s.cordons = append(s.cordons, cordonAt{s.second + c.at, node, c.cordoned})
			}
			for _, p := range one.tenants {
				s.tenants = append(s.tenants, tenantsAt{s.second + p.at - time.Duration(i)*one.sooner, node, []string{"a"}[:p.n]})
			}
		}
		scenario := s.scenario()
		scenario.Spec.Expect = []scenarios.Expectation{that("drained", `event("drain").drained <= duration("1h")`)}
		v := judge.Judge(scenario, &s.record().rec)
		require.NotEmpty(t, v.Expect[0].Values, v.Expect[0].Why)
		got := v.Expect[0].Values[0].Value
		if strings.HasPrefix(got, "absent: ") {
			got = "absent"
		}
		assert.Equal(t, one.want, got, name)
		assert.Equal(t, one.want, s.drained(), "%s, by the naive reading", name)
	}
}

package judge_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
)

// rolloutAt is what a controller says from a moment on.
type rolloutAt struct {
	at    time.Duration
	entry reports.RolloutEntry
}

// randomRollouts are states of a Deployment of three pods at its second generation,
// each complete or with one thing that it lacks, and some of a namesake.
func randomRollouts(r *rand.Rand, from, to time.Duration) (all []rolloutAt) {
	for range r.IntN(8) {
		e := reports.RolloutEntry{Object: "Deployment/catalog", UID: "d", Generation: 2, Observed: 2, Desired: 3, Pods: 3, Updated: 3, Ready: 3, Available: 3}
		switch r.IntN(9) {
		case 0:
			e.Observed = 1
		case 1:
			e.Generation = 3
		case 2:
			e.Generation, e.Observed = 1, 1 // from before
		case 3:
			e.Updated, e.Pods = 2, 2
		case 4:
			e.Pods = 4
		case 5:
			e.Available = 2
		case 6:
			e.UID = "another"
		case 7:
			e.Late, e.Ready = r.IntN(2) == 0, 2
		}
		all = append(all, rolloutAt{upTo(r, from, to), e})
	}
	slices.SortStableFunc(all, func(a, b rolloutAt) int { return int(a.at - b.at) })
	return all
}

func (s *script) rolled() string {
	shown := false
	for _, one := range s.rollouts {
		if one.at < s.second || one.entry.UID != "d" {
			continue
		}
		shown = true
		e := one.entry
		asked := e.Generation >= 2 && e.Observed == e.Generation
		if asked && e.Updated == 3 && e.Pods == 3 && e.Available == 3 && !e.Late {
			if one.at > s.starts["down"] {
				return "never"
			}
			return duration(one.at - s.second)
		}
	}
	if !shown {
		return "absent"
	}
	return "never"
}

func TestRolledOutAsKubectlHasIt(t *testing.T) {
	t.Parallel()
	deployment := reports.RolloutEntry{Object: "Deployment/x", Generation: 4, Observed: 4, Desired: 3, Pods: 3, Updated: 3, Ready: 3, Available: 3}
	set := deployment
	set.Object, set.Available = "StatefulSet/x", 0
	for name, one := range map[string]struct {
		of     reports.RolloutEntry
		change func(*reports.RolloutEntry)
		want   bool
	}{
		"complete":                          {deployment, func(*reports.RolloutEntry) {}, true},
		"scaled to nothing":                 {deployment, func(e *reports.RolloutEntry) { e.Desired, e.Pods, e.Updated, e.Available = 0, 0, 0, 0 }, true},
		"not seen":                          {deployment, func(e *reports.RolloutEntry) { e.Observed = 3 }, false},
		"gone":                              {deployment, func(e *reports.RolloutEntry) { e.Deleted = true }, false},
		"not all new":                       {deployment, func(e *reports.RolloutEntry) { e.Updated, e.Pods, e.Available = 2, 2, 2 }, false},
		"old ones left":                     {deployment, func(e *reports.RolloutEntry) { e.Pods = 4 }, false},
		"not all available":                 {deployment, func(e *reports.RolloutEntry) { e.Available = 2 }, false},
		"late":                              {deployment, func(e *reports.RolloutEntry) { e.Late = true }, false},
		"a set":                             {set, func(*reports.RolloutEntry) {}, true},
		"a set, not all ready":              {set, func(e *reports.RolloutEntry) { e.Ready = 2 }, false},
		"a set, not all new":                {set, func(e *reports.RolloutEntry) { e.Updated = 2 }, false},
		"a set, all new but for its part":   {set, func(e *reports.RolloutEntry) { e.Updated, e.Partition = 2, 1 }, true},
		"a set, fewer new than its part is": {set, func(e *reports.RolloutEntry) { e.Updated, e.Partition = 1, 1 }, false},
	} {
		e := one.of
		one.change(&e)
		assert.Equal(t, one.want, judge.RolledOut(&e), name)
	}
}

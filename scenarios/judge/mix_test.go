package judge_test

import (
	"testing"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
)

// mixed is podKill with a load of two targets, and a sound record of it.
func mixed(expect ...scenarios.Expectation) (*scenarios.Scenario, *tape) {
	s := podKill(expect...)
	load := &s.Spec.Load[0]
	load.Targets = []scenarios.MixedTarget{{Name: "list", Weight: 3}, {Name: "off", Enabled: new(bool), Weight: 5}, {Name: "buy", Weight: 1}}
	rec := soundRun()
	from, weights := s.Draws(*load, rec.rec.Header.Seed)
	for _, e := range rec.rec.Entries {
		if e.Request != nil {
			e.Request.Target = []string{"list", "buy"}[from.Pick(e.Request.Seq, weights)]
		}
	}
	return s, rec
}

func TestRequestsGoWhereTheSeedSays(t *testing.T) {
	s, rec := mixed(example()...)
	v := judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Pass, v.Outcome, v.Reasons)
	rec.rec.Header.Seed++ // draws otherwise
	assert.Equal(t, reports.Inconclusive, judge.Judge(s, &rec.rec).Outcome)
	rec.rec.Header.Seed--
	for _, e := range rec.rec.Entries {
		if e.Request != nil && e.Request.Seq == 17 {
			e.Request.Target = ""
		}
	}
	v = judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	assert.Contains(t, v.Reasons, `load "browse": 1 requests did not go to the targets that the seed draws for their numbers`)
}

package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
)

// Each rule by which a load says nothing about the system.
func TestLoadsMustBeHonest(t *testing.T) {
	late := func(by time.Duration) func(time.Duration, *reports.RequestEntry) {
		return func(due time.Duration, r *reports.RequestEntry) { r.Sent, r.Done = due+by, due+by+5*ms }
	}
	skip := func(_ time.Duration, r *reports.RequestEntry) { r.Skipped = true }
	recount := func(t *tape, sent, skipped uint64) {
		l := t.closing()
		l.Sent, l.Skipped = sent, skipped
	}
	for name, c := range map[string]struct {
		change func(t *tape)
		reason string // empty: still a pass
	}{
		"one in a thousand skipped": {func(t *tape) {
			t.requests(16*sec, 16*sec+1, skip)
			recount(t, 3999, 1)
		}, ""},
		"two in a thousand skipped": {func(t *tape) {
			t.requests(16*sec, 16*sec+2*every, skip)
			recount(t, 3998, 2)
		}, `load "browse" in phase "fault": 2 of 1000 requests were skipped, more than 0.1 %`},
		"one in a hundred 400 ms late": {func(t *tape) { t.requests(16*sec, 16*sec+10*every, late(400*ms)) }, ""},
		"more than one in a hundred late": {func(t *tape) { t.requests(16*sec, 16*sec+11*every, late(51*ms)) },
			`load "browse" in phase "fault": requests left late: the p99 of the send lag is 51ms, more than 50ms`},
		"one in the warmup 501 ms late": {func(t *tape) { t.requests(warmupAt, warmupAt+1, late(501*ms)) },
			`load "browse" in phase "warmup": a request left 501ms late, more than 500ms`},
		"unclosed": {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Load != nil }) },
			`load "browse": the generator did not say what became of it`},
		"closed twice": {func(t *tape) { t.add(quietAt, reports.Entry{Kind: reports.KindLoad, Load: t.closing()}) },
			`load "browse": the generator closed it 2 times`},
		"incomplete": {func(t *tape) { t.closing().Complete = false },
			`load "browse": the generator died before it could say what became of it`},
		"planned more": {func(t *tape) { t.closing().Planned++ },
			`load "browse": planned 4001 is not sent 4000 + skipped 0`},
		"a request is missing": {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Request != nil && e.At == 20*sec }) },
			`load "browse": the generator counted 4000 sent and 0 skipped, the record holds 3999 and 0`},
		"a skipped one is missing": {func(t *tape) {
			l := t.closing()
			l.Planned, l.Skipped = 4001, 1
		}, `load "browse": the generator counted 4000 sent and 1 skipped, the record holds 4000 and 0`},
		"one twice, one missing": {func(t *tape) {
			t.requests(20*sec, 20*sec+1, func(_ time.Duration, r *reports.RequestEntry) { r.Seq-- })
		}, `load "browse": requests are recorded twice`},
		"nothing sent": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Request != nil })
			*t.closing() = reports.LoadEntry{Load: "browse", Complete: true}
		}, `load "browse": not one request was sent`},
		"a hole": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Request != nil && e.At >= recoveryAt })
			*t.closing() = reports.LoadEntry{Load: "browse", Planned: 2000, Sent: 2000, Complete: true}
		}, `load "browse" in phase "recovery": 0 requests were due, and the rate makes 1999 at least`},
		"it stopped a bit early": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Request != nil && e.At >= quietAt-2*every })
			*t.closing() = reports.LoadEntry{Load: "browse", Planned: 3998, Sent: 3998, Complete: true}
		}, `load "browse" in phase "recovery": 1998 requests were due, and the rate makes 1999 at least`},
		"rounding": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Request != nil && e.At >= quietAt-every })
			*t.closing() = reports.LoadEntry{Load: "browse", Planned: 3999, Sent: 3999, Complete: true}
		}, ""},
		"another load": {func(t *tape) { t.load("buy") },
			`the record has requests of a load "buy" that the scenario has not`},
	} {
		t.Run(name, func(t *testing.T) {
			rec := soundRun()
			c.change(rec)
			v := judge.Judge(podKill(example()...), &rec.rec)
			if c.reason == "" {
				assert.Equal(t, reports.Pass, v.Outcome, v.Reasons)
				return
			}
			assert.Equal(t, reports.Inconclusive, v.Outcome)
			assert.Contains(t, v.Reasons, c.reason)
		})
	}
}

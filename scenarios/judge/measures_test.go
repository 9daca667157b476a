package judge_test

import (
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

func TestWindowMeasures(t *testing.T) {
	rec := soundRun()
	rec.fail(16*sec, 16*sec+200*ms)    // 20 bad
	rec.fail(20*sec, 20*sec+30*ms)     // 3 bad
	rec.fail(recoveryAt, recoveryAt+1) // the first of recovery
	rec.requests(22*sec, 22*sec+50*ms, func(due time.Duration, r *reports.RequestEntry) { r.Done = due + 250*ms })
	rec.requests(23*sec, 23*sec+10*ms, func(due time.Duration, r *reports.RequestEntry) { r.Done = due + 251*ms })
	rec.requests(24*sec, 24*sec+10*ms, func(due time.Duration, r *reports.RequestEntry) { r.Error = "cut off"; r.Done = due + 100*ms })
	for measure, want := range map[string]string{
		"steady.requests":                  "700",
		"steady.lost":                      "0",
		"steady.good":                      "700",
		"steady.availability":              "1",
		"steady.longest_outage":            "0s",
		"fault.requests":                   "1000",
		"fault.lost":                       "25", // 20 + 3 + one too late + one with an error
		"fault.good":                       "975",
		"fault.availability":               "0.975",
		"fault.skipped":                    "0",
		"fault.longest_outage":             "200ms",
		`fault.worst(duration("1s"))`:      "0.8",
		`fault.worst(duration("200ms"))`:   "0",
		`fault.worst(duration("10s"))`:     "0.975",
		"fault.p50":                        "5ms",
		"fault.p99":                        "5ms",
		"fault.p(99.4)":                    "100ms", // 993 of 1000 took 5 ms
		"fault.p(99.5)":                    "250ms",
		"fault.p(99.9)":                    "250ms",
		"fault.max":                        "251ms",
		"fault.p(100)":                     "251ms",
		"recovery.lost":                    "1",
		"recovery.requests":                "2000",
		"run.requests":                     "4000",
		"run.lost":                         "26",
		`event("kill").lost`:               "26", // to the end of recovery
		`event("kill").requests`:           "3000",
		`event("kill").happened`:           "true",
		`event("kill").impaired`:           "0s",
		`event("kill").healed`:             "4s",
		`load("browse").fault.lost`:        "25",
		`load("browse").event("kill").p50`: "5ms",
		`window("kill", "kill").requests`:  "0",
		`window("kill", "kill").lost`:      `absent: no request was sent in window(kill, kill)`,
		`workload("catalog").ready`:        "3",
		`workload("catalog").desired`:      "3",
		`workload("catalog").pods`:         "3",
		`workload("gateway").pods`:         `absent: the record does not show the state of workload "gateway"`,
	} {
		assert.Equal(t, want, value(t, rec, measure), measure)
	}
}

func TestTheEndOfAWindowIsNotInIt(t *testing.T) {
	rec := soundRun()
	rec.fail(faultAt-every, faultAt+1) // the last of steady, the first of fault
	assert.Equal(t, "1", value(t, rec, "steady.lost"))
	assert.Equal(t, "1", value(t, rec, "fault.lost"))
	assert.Equal(t, "10ms", value(t, rec, "steady.longest_outage"), "to the end of the window")
}

func TestSkippedIsNeitherGoodNorBad(t *testing.T) {
	rec := soundRun()
	rec.fail(16*sec, 16*sec+10*ms)
	rec.requests(16*sec+10*ms, 16*sec+20*ms, func(_ time.Duration, r *reports.RequestEntry) { r.Skipped = true })
	rec.fail(16*sec+20*ms, 16*sec+30*ms)
	rec.requests(17*sec, 17*sec+40*ms, func(_ time.Duration, r *reports.RequestEntry) { r.Skipped = true })
	assert.Equal(t, "2", value(t, rec, "fault.lost"))
	assert.Equal(t, "5", value(t, rec, "fault.skipped"))
	assert.Equal(t, "995", value(t, rec, "fault.requests"))
	assert.Equal(t, "30ms", value(t, rec, "fault.longest_outage"), "a skipped one does not end an outage, and is none by itself")
}

func TestRecovery(t *testing.T) {
	for name, c := range map[string]struct {
		bad  [][2]time.Duration
		want string
	}{
		"nothing bad":                           {nil, "0s"},
		"bad before the event only":             {[][2]time.Duration{{10 * sec, 11 * sec}}, "0s"},
		"bad for two seconds":                   {[][2]time.Duration{{15 * sec, 17 * sec}}, "1.97s"}, // 3 of the 300 in a hold may be bad: it begins at the third last bad one
		"again before a hold was over":          {[][2]time.Duration{{15 * sec, 16 * sec}, {18 * sec, 19 * sec}}, "3.97s"},
		"well for long, and below once more":    {[][2]time.Duration{{15 * sec, 16 * sec}, {30 * sec, 30*sec + 100*ms}}, "15.07s"},
		"one in a hundred in a second is well":  {[][2]time.Duration{{15 * sec, 16 * sec}, {30 * sec, 30*sec + every}}, "970ms"},
		"two in a hundred are not":              {[][2]time.Duration{{15 * sec, 16 * sec}, {30 * sec, 30*sec + 2*every}}, "12.01s"}, // the hold ends where the second of the two was due
		"to the end":                            {[][2]time.Duration{{15 * sec, 45 * sec}}, "never"},
		"too late for a whole hold":             {[][2]time.Duration{{15 * sec, 42*sec + 50*ms}}, "never"},
		"just in time for a whole hold":         {[][2]time.Duration{{15 * sec, 42 * sec}}, "26.97s"},
		"bad again in the last half second":     {[][2]time.Duration{{15 * sec, 16 * sec}, {44*sec + 500*ms, 45 * sec}}, "never"},
		"a last bad request in the last second": {[][2]time.Duration{{15 * sec, 16 * sec}, {45*sec - every, 45 * sec}}, "970ms"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := soundRun()
			for _, span := range c.bad {
				rec.fail(span[0], span[1])
			}
			assert.Equal(t, c.want, value(t, rec, `event("kill").recovery`))
		})
	}
}

func TestRecoveryOfALastingFaultCountsFromItsUndo(t *testing.T) {
	rec := soundRun()
	for i := range rec.rec.Entries {
		if e := rec.rec.Entries[i].Event; e != nil {
			e.Lasting = true
		}
	}
	rec.fail(15*sec, 27*sec)
	assert.Equal(t, "never", value(t, rec, `event("kill").recovery`), "not undone")
	assert.Equal(t, "never", value(t, rec, `event("kill").impaired`))
	rec.event(25*sec, reports.StageUndone)
	assert.Equal(t, "1.97s", value(t, rec, `event("kill").recovery`))
	assert.Equal(t, "10s", value(t, rec, `event("kill").impaired`))
}

func TestHealed(t *testing.T) {
	late := killAt + 2*sec
	for name, c := range map[string]struct {
		change func(t *tape)
		want   string
	}{
		"as it was": {func(t *tape) {}, "4s"},
		"the old count is still told after the injection": {func(t *tape) { t.ready(killAt+10*ms, 3) }, "4s"},
		"the victim was not ready before": {func(t *tape) {
			t.pod(killAt-2*sec, "a", reports.PodEntry{Ready: false})
			t.ready(killAt-2*sec, 2)
			t.pod(killAt-sec, "a", reports.PodEntry{Ready: true})
			t.ready(killAt-sec, 3)
		}, "4s"},
		"whole again before the victim is gone": {func(t *tape) {
			t.workloadsAfter(killAt + 4*sec)
			t.ready(killAt+300*ms, 3)
		}, "300ms"},
		"gone at once": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Pod != nil && e.Pod.Terminating })
			for _, e := range t.rec.Entries {
				if e.Pod != nil {
					e.Pod.Ready = true // a deletion tells the pod's last state
				}
			}
		}, "4s"},
		"never back":            {func(t *tape) { t.workloadsAfter(killAt + 4*sec) }, "never"},
		"back once, lost again": {func(t *tape) { t.ready(killAt+6*sec, 2) }, "4s"},
		"back only while it is taken down": {func(t *tape) {
			t.workloadsAfter(killAt + 4*sec)
			t.ready(downAt+ms, 3)
		}, "never"},
		"the loss was not counted": {func(t *tape) { t.workloadsAfter(killAt) },
			`absent: the record does not show how workload "catalog" took the loss of its pod`},
		"the loss was not seen": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Pod != nil && e.Pod.UID == "a" && e.At > killAt })
		}, "absent: the record does not show the loss of pod shop/catalog-a"},
		"a second victim is seen later": {func(t *tape) {
			for _, e := range t.rec.Entries {
				if e.Event != nil {
					e.Event.Victims = append(e.Event.Victims, reports.Victim{Role: "catalog", Ordinal: 1, Pod: "shop/catalog-b", UID: "b"})
				}
			}
			t.workloadsAfter(killAt + 4*sec)
			t.ready(killAt+sec, 3) // the first one's replacement, when the second is not yet seen to go
			t.pod(late, "b", reports.PodEntry{Ready: false})
			t.ready(late, 2)
			t.ready(late+7*sec, 3)
		}, "9s"},
		"two workloads lost pods": {func(t *tape) {
			for _, e := range t.rec.Entries {
				if e.Event != nil {
					e.Event.Victims = append(e.Event.Victims, reports.Victim{Role: "gateway", Pod: "shop/gateway-x", UID: "x"})
				}
			}
			t.pod(killAt+ms, "x", reports.PodEntry{Deleted: true})
			for at, ready := range map[time.Duration]int{0: 1, killAt + ms: 0, killAt + 6*sec: 1} {
				t.add(at, reports.Entry{Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{Name: "gateway", Desired: 1, Ready: ready}})
			}
		}, "6s"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := soundRun()
			c.change(rec)
			assert.Equal(t, c.want, value(t, rec, `event("kill").healed`))
		})
	}
}

// lostNode is a sound run whose event hit the node of the pods a and b, which
// are not ready only from a moment on, and replaced 15 and 16 s later.
func lostNode(noticed time.Duration) *tape {
	rec := soundRun()
	rec.drop(func(e reports.Entry) bool { return e.Pod != nil || e.Workload != nil && e.At > 3*sec })
	for uid, node := range map[string]string{"a": "worker-1", "b": "worker-1", "c": "worker-2"} {
		rec.pod(3*sec, uid, reports.PodEntry{Ready: true, Node: node})
	}
	for i := range rec.rec.Entries {
		if e := rec.rec.Entries[i].Event; e != nil {
			e.Victims = []reports.Victim{{Role: "worker", UID: "node", Node: "worker-1"}}
		}
	}
	rec.pod(noticed, "a", reports.PodEntry{Node: "worker-1"})
	rec.ready(noticed, 2)
	rec.pod(noticed+ms, "b", reports.PodEntry{Node: "worker-1"})
	rec.ready(noticed+ms, 1)
	rec.ready(noticed+15*sec, 2)
	rec.ready(noticed+16*sec, 3)
	return rec
}

// TestHealedOfANode has the event hit the node of the pods a and b, which are
// not ready only when that is noticed.
func TestHealedOfANode(t *testing.T) {
	noticed := killAt + 10*sec
	built := func(change func(t *tape)) *tape {
		rec := lostNode(noticed)
		change(rec)
		return rec
	}
	for name, c := range map[string]struct {
		change func(t *tape)
		want   string
	}{
		"two pods were on it": {func(*tape) {}, "26s"},
		"one was on its way out before": {func(t *tape) {
			t.pod(killAt-sec, "b", reports.PodEntry{Ready: true, Terminating: true, Node: "worker-1"})
			t.drop(func(e reports.Entry) bool { return e.Pod != nil && e.Pod.UID == "b" && e.At > killAt })
		}, "26s"},
		"one came only afterwards": {func(t *tape) { t.pod(killAt+sec, "later", reports.PodEntry{Ready: true, Node: "worker-1"}) }, "26s"},
		"the loss of one was not seen": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Pod != nil && e.Pod.UID == "b" && e.At > killAt })
		}, "absent: the record does not show the loss of pod shop/catalog-b"},
		"none was on it": {func(t *tape) {
			for i := range t.rec.Entries {
				if pod := t.rec.Entries[i].Pod; pod != nil {
					pod.Node = "worker-2"
				}
			}
		}, `absent: no pod of a workload was on the nodes that event "kill" hit`},
		"never back": {func(t *tape) { t.workloadsAfter(noticed + 16*sec) }, "never"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, value(t, built(c.change), `event("kill").healed`)) })
	}
}

func TestArithmetic(t *testing.T) {
	rec := soundRun()
	rec.workloadsAfter(killAt + 4*sec) // healed is never
	yes, no := true, false
	for expression, want := range map[string]*bool{
		`fault.p99 <= 3 * steady.p99`:                        &yes,
		`fault.p99 / steady.p99 < 1.5`:                       &yes,
		`fault.p99 * 0.5 < steady.p99`:                       &yes,
		`fault.p99 + steady.p99 == duration("10ms")`:         &yes,
		`fault.p99 - duration("1ms") == duration("4ms")`:     &yes,
		`fault.availability == 1`:                            &yes,
		`1 != fault.availability`:                            &no,
		`fault.availability >= 1`:                            &yes,
		`fault.lost + 1 == 1`:                                &yes,
		`fault.lost < 0.5`:                                   &yes,
		`event("kill").healed <= duration("15s")`:            &no,
		`event("kill").healed + fault.p99 > duration("15s")`: &yes,
		`event("kill").healed - fault.p99 > duration("15s")`: &yes,
		`event("kill").healed * 2 > duration("15s")`:         &yes,
		`fault.p99 - event("kill").healed < fault.p99`:       nil,
		`event("kill").healed / event("kill").healed == 1`:   nil,
		`fault.lost / 0 == 1`:                                nil,
		`workload("gateway").ready == 1 || fault.lost == 0`:  &yes,
		`fault.lost == 0 || workload("gateway").ready == 1`:  &yes,
		`workload("gateway").ready == 1 || fault.lost == 1`:  nil,
		`workload("gateway").ready == 1 && fault.lost == 1`:  &no,
		`workload("gateway").ready == 1 && fault.lost == 0`:  nil,
		`!(workload("gateway").ready == 1)`:                  nil,
		`(fault.lost == 0 ? steady : fault).lost == 0`:       &yes,
	} {
		f := finding(t, rec, expression)
		assert.Equal(t, want, f.Held, "%s: %+v", expression, f)
		if want == nil {
			assert.NotEmpty(t, f.Why, expression)
		}
	}
}

func TestValuesInOrderOfAppearance(t *testing.T) {
	f := finding(t, soundRun(), `event("kill").healed <= duration("1s") && fault.lost == 0 && fault.lost < steady.good && fault.worst(duration("1s")) > 0.5`)
	assert.Equal(t, []reports.Value{
		{Expr: `event("kill").healed`, Value: "4s"},
		{Expr: "fault.lost", Value: "0"},
		{Expr: "steady.good", Value: "700"},
		{Expr: `fault.worst(duration("1s"))`, Value: "1"},
	}, f.Values)
}

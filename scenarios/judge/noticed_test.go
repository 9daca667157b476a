package judge_test

import (
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

func (t *tape) endpoints(at time.Duration, service string, ready ...string) {
	t.add(at, reports.Entry{Kind: reports.KindEndpoint, Endpoint: &reports.EndpointEntry{Service: service, Ready: ready}})
}

// victims adds pods to those that the event hit.
func (t *tape) victims(uids ...string) {
	for _, e := range t.rec.Entries {
		for _, uid := range uids {
			if e.Event != nil {
				e.Event.Victims = append(e.Event.Victims, reports.Victim{Role: "catalog", Pod: "shop/catalog-" + uid, UID: uid})
			}
		}
	}
}

func TestBudgetLeft(t *testing.T) {
	for lost, want := range map[int]map[string]string{
		0:    {"0.9": "1", "0.999": "1"},
		1:    {"0.9": "0.99", "0.999": "0", "0.9995": "-1"},
		50:   {"0.9": "0.5"},
		100:  {"0.9": "0", "0.99": "-9"},
		1000: {"0.9": "-9", "0.5": "-1"},
	} {
		rec := soundRun()
		rec.fail(faultAt, faultAt+time.Duration(lost)*every)
		for target, left := range want {
			assert.Equal(t, left, value(t, rec, "fault.budget_left("+target+")"), "%d lost, %s", lost, target)
		}
		if lost == 100 {
			held := finding(t, rec, "fault.budget_left(0.9) >= 0").Held
			assert.True(t, *held, "what is used up exactly is zero, and not a little below")
		}
	}
	rec := soundRun()
	assert.Equal(t, "absent: no request was sent in window(kill, kill)", value(t, rec, `window("kill", "kill").budget_left(0.9)`))
	assert.Equal(t, "absent: budget_left(x) needs an x above 0 and below 1", value(t, rec, "fault.budget_left(0.5 + 0.5)"))
	rec.requests(faultAt, faultAt+100*every, func(_ time.Duration, r *reports.RequestEntry) { r.Skipped = true })
	rec.fail(faultAt+100*every, faultAt+145*every)
	assert.Equal(t, "0.5", value(t, rec, "fault.budget_left(0.9)"), "of what was sent")
}

func TestDetected(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *tape)
		want   string
	}{
		"terminating":               {func(*tape) {}, "20ms"},
		"the first of two":          {func(t *tape) { t.victims("b"); t.pod(killAt+10*ms, "b", reports.PodEntry{}) }, "10ms"},
		"another pod":               {func(t *tape) { t.pod(killAt+10*ms, "b", reports.PodEntry{}) }, "20ms"},
		"before the injection":      {func(t *tape) { t.pod(killAt-ms, "a", reports.PodEntry{}) }, "20ms"},
		"at the injection":          {func(t *tape) { t.pod(killAt, "a", reports.PodEntry{}) }, "0s"},
		"still ready":               {func(t *tape) { t.pod(killAt+10*ms, "a", reports.PodEntry{Ready: true}) }, "20ms"},
		"not ready":                 {func(t *tape) { t.pod(killAt+10*ms, "a", reports.PodEntry{}) }, "10ms"},
		"deleted in its last state": {func(t *tape) { t.pod(killAt+10*ms, "a", reports.PodEntry{Ready: true, Deleted: true}) }, "10ms"},
		"never":                     {func(t *tape) { t.hide("a") }, "never"},
		"while it is taken down":    {func(t *tape) { t.hide("a"); t.pod(downAt+ms, "a", reports.PodEntry{}) }, "never"},
		"cut off":                   {func(t *tape) { t.hide("a"); t.dropPhase("quiet", "down") }, "absent: the run ended before the cluster showed what became of event \"kill\""},
		"no pod of the record": {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Pod != nil && e.Pod.UID == "a" }) },
			`absent: the record does not show a victim of event "kill"`},
	} {
		rec := soundRun()
		c.change(rec)
		assert.Equal(t, c.want, value(t, rec, `event("kill").detected`), name)
	}
}

// hide removes what becomes of a pod from the injection on.
func (t *tape) hide(uid string) {
	t.drop(func(e reports.Entry) bool { return e.Pod != nil && e.Pod.UID == uid && e.At >= killAt })
}

func TestWithdrawn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *tape)
		want   string
	}{
		"at once": {func(t *tape) { t.endpoints(killAt+30*ms, "shop/catalog", "catalog-b") }, "30ms"},
		"the slowest Service": {func(t *tape) {
			t.endpoints(4*sec, "shop/other", "catalog-a")
			t.endpoints(killAt+30*ms, "shop/catalog")
			t.endpoints(killAt+90*ms, "shop/other")
		}, "90ms"},
		"the slowest victim": {func(t *tape) {
			t.victims("b")
			t.endpoints(killAt+30*ms, "shop/catalog", "catalog-b")
			t.endpoints(killAt+sec, "shop/catalog")
		}, "1s"},
		"a Service without it": {func(t *tape) {
			t.endpoints(4*sec, "shop/other", "catalog-b")
			t.endpoints(killAt+30*ms, "shop/catalog")
		}, "30ms"},
		"another namespace": {func(t *tape) {
			t.endpoints(4*sec, "else/where", "catalog-a")
			t.endpoints(killAt+30*ms, "shop/catalog")
		}, "30ms"},
		"another pod goes": {func(t *tape) {
			t.endpoints(killAt+30*ms, "shop/catalog", "catalog-a")
			t.endpoints(killAt+40*ms, "shop/catalog", "catalog-b")
		}, "40ms"},
		"it comes back": {func(t *tape) {
			t.endpoints(killAt+30*ms, "shop/catalog")
			t.endpoints(killAt+40*ms, "shop/catalog", "catalog-a")
		}, "30ms"},
		"joins after the event": {func(t *tape) {
			t.endpoints(killAt+30*ms, "shop/catalog")
			t.endpoints(killAt+40*ms, "shop/other", "catalog-a")
		}, "30ms"},
		"never":                  {func(*tape) {}, "never"},
		"while it is taken down": {func(t *tape) { t.endpoints(downAt+ms, "shop/catalog") }, "never"},
		"cut off":                {func(t *tape) { t.dropPhase("quiet", "down") }, "absent: the run ended before the cluster showed what became of event \"kill\""},
		"gone before":            {func(t *tape) { t.endpoints(killAt-ms, "shop/catalog", "catalog-b") }, `absent: no Service had a victim of event "kill" among its ready addresses`},
		"no Service":             {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Endpoint != nil }) }, `absent: no Service had a victim of event "kill" among its ready addresses`},
	} {
		rec := soundRun()
		rec.endpoints(2*sec, "shop/catalog") // before any was ready
		rec.endpoints(3*sec, "shop/catalog", "catalog-a", "catalog-b", "catalog-c")
		c.change(rec)
		assert.Equal(t, c.want, value(t, rec, `event("kill").withdrawn`), name)
	}
}

// TestNoticedOfANode has the event hit the node of the pods a and b.
func TestNoticedOfANode(t *testing.T) {
	rec := lostNode(killAt + 10*sec)
	rec.endpoints(3*sec, "shop/catalog", "catalog-a", "catalog-b", "catalog-c")
	rec.endpoints(killAt+11*sec, "shop/catalog", "catalog-b", "catalog-c")
	rec.endpoints(killAt+12*sec, "shop/catalog", "catalog-c")
	assert.Equal(t, "10s", value(t, rec, `event("kill").detected`))
	assert.Equal(t, "12s", value(t, rec, `event("kill").withdrawn`))
}

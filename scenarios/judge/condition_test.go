package judge_test

import (
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

// waiting is podKill with entries that wait: by name, what for.
func waiting(conditions ...string) *scenarios.Scenario {
	s := podKill()
	s.Spec.Cluster.Workers = 2
	for i := 0; i < len(conditions); i += 2 {
		s.Spec.Timeline = append(s.Spec.Timeline, scenarios.Step{
			Name: conditions[i], When: conditions[i+1], By: scenarios.Moment{Phase: "fault", After: 8 * sec},
		})
	}
	return s
}

func condition(name, expression string) scenarios.Expectation {
	return scenarios.Expectation{Name: name, That: expression, Condition: true}
}

func TestConditionsAreChecked(t *testing.T) {
	for expression, want := range map[string]string{
		`live("browse", duration("5s")).availability < 0.9`:                         "",
		`live("browse", duration("5s")).worst(duration("1s")) < 0.9`:                "",
		`event("kill").healed < duration("5s") && workload("catalog").ready >= 2`:   "",
		`event("kill").injected && !event("kill").undone && node("worker-1").ready`: "",
		"fault.lost > 3":                                               "fault is measured when the run is over; a condition looks at live(l, d), event(e), workload(w), hpa(h), node(n), duration(d) (character 1)",
		`load("browse").fault.lost > 3`:                                "load is measured when the run is over",
		`window("kill", "kill").lost > 3`:                              "window is measured when the run is over",
		`event("kill").lost > 3`:                                       "lost of an event is measured when the run is over; a condition may ask for its injected, happened, undone, healed, impaired, detected, withdrawn, rolled, drained (character 14)",
		`live("browse", duration("5s")).workload("catalog").ready < 2`: `workload of a window is measured when the run is over; a condition may ask for workload(…) as it is now`,
		`event("kill").recovery > duration("1s")`:                      "recovery of an event is measured when the run is over",
		`event("kill").worst(duration("1s")) < 0.5`:                    "worst of an event is measured when the run is over",
		`event("kil").injected`:                                        `there is no event "kil": there is kill`,
		`live("brows", duration("5s")).lost > 3`:                       `there is no load "brows": there is browse (character 6)`,
		`live("browse", duration("5")).lost > 3`:                       "invalid duration argument",
		`live("browse", duration("61s")).lost > 3`:                     "live(load, 1m1s): the length is from 200ms to 1m0s",
		`live("browse", duration("1ms")).lost > 3`:                     "live(load, 1ms): the length is from 200ms to 1m0s",
		`live("browse", event("kill").healed).lost > 3`:                `the length must be written out, for example duration("5s")`,
		`live("browse", duration("5s")).lots > 3`:                      `"lots" is not in a window: it has lost, requests`,
		`live("browse", duration("5s")).target("x").lost > 3`:          `there is no target "x"`,
		`live("browse", "5s").lost > 3`:                                "found no matching overload for 'live'",
		`live("browse", duration("5s")).lost`:                          "must be true or false, and is an int",
		"calm.lost == 0":                                               "undeclared reference to 'calm' (in container ''): there are live(l, d), event(e), workload(w), hpa(h), node(n), duration(d)",
	} {
		err := judge.Check(waiting(), condition("it", expression))
		if want == "" {
			assert.NoError(t, err, expression)
			continue
		}
		assert.ErrorContains(t, err, want, expression)
	}
}

// With several loads each live window is of one of them.
func TestLiveNamesItsLoad(t *testing.T) {
	s := waiting()
	other := s.Spec.Load[0]
	other.Name = "buy"
	s.Spec.Load = append(s.Spec.Load, other)
	assert.NoError(t, judge.Check(s, condition("it", `live("buy", duration("5s")).p99 > duration("1s")`)))
}

func TestEntriesThatWaitForEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		waits []string
		wrong map[string]string // by entry
	}{
		"a chain":  {[]string{"a", `event("b").injected`, "b", `event("kill").happened`}, nil},
		"itself":   {[]string{"a", `event("a").injected`}, map[string]string{"a": "a waits for a"}},
		"two":      {[]string{"a", `event("b").injected`, "b", `workload("catalog").ready < 2 || event("a").happened`}, map[string]string{"a": "a waits for b waits for a", "b": "b waits for a waits for b"}},
		"a branch": {[]string{"a", `event("b").injected`, "b", `event("c").injected`, "c", `event("b").injected`}, map[string]string{"b": "b waits for c waits for b", "c": "c waits for b waits for c"}},
	} {
		s := waiting(c.waits...)
		for _, step := range s.Spec.Timeline[1:] {
			err := judge.Check(s, condition(step.Name, step.When))
			if want := c.wrong[step.Name]; want != "" {
				assert.ErrorContains(t, err, "the entries wait for each other in a circle: "+want+"; none of them would ever happen", name)
				continue
			}
			assert.NoError(t, err, name+" "+step.Name)
		}
	}
	// A condition that ends the run waits for nothing, whatever its name.
	s := waiting("a", `event("kill").injected`)
	assert.NoError(t, judge.Check(s, condition("kill", `event("a").injected`)))
}

// The parser has conditions checked as conditions, and says where they stand.
func TestConditionsAreCheckedInFiles(t *testing.T) {
	text := `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: when}
spec:
  workloads: [{name: shop, shop: {services: [gateway, catalog]}}]
  load: [{name: a, target: {service: gateway, port: http}, rate: 200/s, good: {within: 1s}}]
  timeline:
    - {name: one, when: 'event("two").injected', by: fault+5s, scale: {workload: catalog, replicas: 5}}
    - {name: two, when: 'live("a", duration("5s")).lots > 1', by: fault+5s, scale: {workload: catalog, replicas: 5}}
  abort:
    - {name: same, that: 'live("a", duration("5s")).lost > 100'}
  expect:
    - {name: same, that: 'live("a", duration("5s")).lost > 100'}
`
	_, err := scenarios.Parse("when.yaml", []byte(text), scenarios.WithChecker(judge.Check))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 2)
	assert.Contains(t, lines[0], `when.yaml:9:25: spec.timeline[two].when: "live(`)
	assert.Contains(t, lines[0], `"lots" is not in a window`)
	assert.Contains(t, lines[1], `when.yaml:13:26: spec.expect[same].that: "live(`)
	assert.Contains(t, lines[1], `live(load, d) exists only inside "when" and "abort"`)
}

// holds is what a condition is after each entry of a record up to a moment.
func holds(t *testing.T, rec *tape, expression string, at time.Duration) (held bool, parts string) {
	t.Helper()
	s := waiting("it", expression)
	require.NoError(t, judge.Check(s, condition("it", expression)))
	c, err := judge.NewConditions(s, 7)
	require.NoError(t, err)
	for i := range rec.rec.Entries {
		if e := &rec.rec.Entries[i]; e.At <= at {
			c.Take(e)
		}
	}
	c.Advance(at)
	return c.Holds(c.All()[0]), judge.PartsText(c.Parts(c.All()[0]))
}

func TestConditionsAreOfThePresent(t *testing.T) {
	for _, c := range []struct {
		expression string
		at         time.Duration
		held       bool
		parts      string
	}{
		{`event("kill").injected`, killAt - 1, false, `event("kill").injected was false`},
		{`event("kill").injected`, killAt, true, `event("kill").injected was true`},
		{`event("kill").happened`, killAt + 599*ms, false, `event("kill").happened was false`},
		{`event("kill").happened`, killAt + 600*ms, true, `event("kill").happened was true`},
		{`event("kill").healed <= duration("1h")`, killAt, false, `event("kill").healed could not be told (the record does not show the loss of pod shop/catalog-a)`},
		{`event("kill").healed <= duration("1h")`, killAt + 4*sec - 1, false, `event("kill").healed could not be told (it is not over yet in event(kill))`},
		{`event("kill").healed <= duration("1h")`, killAt + 4*sec, true, `event("kill").healed was 4s`},
		{`event("kill").healed > duration("1h")`, killAt + 3*sec, false, `event("kill").healed could not be told (it is not over yet in event(kill))`},
		{`event("kill").undone || workload("catalog").ready < 3`, killAt + sec, true, `event("kill").undone could not be told (event "kill" is instant: there is nothing to undo), workload("catalog").ready was 2`},
		{`workload("catalog").ready < 3`, killAt, false, `workload("catalog").ready was 3`},
		{`workload("catalog").ready < 3`, killAt + 20*ms, true, `workload("catalog").ready was 2`},
		{`node("worker-1").ready`, killAt, false, `node("worker-1").ready could not be told (the record does not show node "worker-1")`},
	} {
		held, parts := holds(t, soundRun(), c.expression, c.at)
		assert.Equal(t, c.held, held, "%s at %s", c.expression, c.at)
		assert.Equal(t, c.parts, parts, "%s at %s", c.expression, c.at)
	}
}

func TestNoConditions(t *testing.T) {
	c, err := judge.NewConditions(podKill(), 7)
	require.NoError(t, err)
	assert.Empty(t, c.All())
	s := waiting("off", `event("kill").injected`)
	s.Spec.Timeline[1].Enabled = new(bool)
	s.Spec.Abort = []scenarios.Expectation{{Name: "off", Enabled: new(bool), That: `event("kill").injected`}}
	c, err = judge.NewConditions(s, 7)
	require.NoError(t, err)
	assert.Empty(t, c.All())
}

// BenchmarkConditions is one second of a run with 1 000 requests: ten looks at a
// condition on the last 5 s and at one on the state.
func BenchmarkConditions(b *testing.B) {
	for name, expression := range map[string]string{
		"share": `live("browse", duration("5s")).availability < 0.5 || workload("catalog").ready < 1`,
		"p99":   `live("browse", duration("5s")).p99 > duration("1s") || workload("catalog").ready < 1`,
	} {
		b.Run(name, func(b *testing.B) {
			s := waiting()
			s.Spec.Load[0].Rate.Rate = 1000
			s.Spec.Phases.Fault = 100 * time.Hour
			s.Spec.Abort = []scenarios.Expectation{{Name: "it", That: expression}}
			c, err := judge.NewConditions(s, 7)
			require.NoError(b, err)
			c.Take(&reports.Entry{Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: "warmup"}})
			c.Take(&reports.Entry{Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{Name: "catalog", Ready: 3}})
			seq, now, answer := uint64(0), time.Duration(0), &sample.Answer{Code: 200}
			second := func() {
				for range 10 {
					for range 100 {
						due := time.Duration(seq) * ms
						c.Request("browse", sample.Sample{Seq: seq, Due: due, Sent: due, Done: due + time.Duration(1+seq*7919%40)*ms, Answer: answer})
						seq++
					}
					now += 100 * ms
					c.Advance(now)
					if c.Holds(c.All()[0]) {
						b.Fatal("it is true")
					}
				}
			}
			for range 6 {
				second()
			}
			for b.Loop() {
				second()
			}
		})
	}
}

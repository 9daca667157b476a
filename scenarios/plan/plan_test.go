package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"squall/scenarios"
	"squall/scenarios/plan"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// steps is a scenario with the given timeline entries and pods of catalog.
func steps(t testing.TB, pods int, timeline ...string) *scenarios.Scenario {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: plan}
spec:
  workloads: [{name: shop, shop: {services: [gateway, catalog], replicas: {gateway: 2, catalog: %d}}}]
  load:
    - {name: browse, target: {service: gateway, port: http}, rate: 200.5/s, good: {within: 1s}}
    - {name: off, enabled: false, target: {service: gateway, port: http}, rate: 1/s, good: {within: 1s}}
  expect: [{name: held, that: 'fault.lost == 0'}]
  timeline: [%s]
`, pods, strings.Join(timeline, ", "))
	file, err := scenarios.Parse("plan.yaml", []byte(text))
	require.NoError(t, err)
	return file.Scenario
}

// kill is a timeline entry that kills pods of an app.
func kill(name, at, app, mode string) string {
	return fmt.Sprintf(`{name: %s, at: %s, chaos: {kind: PodChaos, spec: {action: pod-kill, %s, selector: {labelSelectors: {app: %s}}}}}`, name, at, mode, app)
}

// planned plans a scenario.
func planned(t testing.TB, s *scenarios.Scenario, seed uint64) plan.Plan {
	t.Helper()
	p, err := plan.Make(s, seed, "v0.0.0", false)
	require.NoError(t, err)
	return p
}

func TestPlanIsTheSameBytesEverywhere(t *testing.T) {
	t.Parallel()
	s := steps(t, 5,
		kill("late", "recovery+1s", "gateway", "mode: all"),
		kill("kill", "fault+1500ms", "catalog", "mode: fixed, value: '2'"),
		kill("some", "fault+0s", "catalog", "mode: random-max-percent, value: '80'"))
	p := planned(t, s, 7)
	var text bytes.Buffer
	require.NoError(t, p.Text(&text))
	for file, got := range map[string][]byte{"testdata/plan.json": p.JSON(), "testdata/plan.golden": text.Bytes()} {
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(file, got, 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err, "write it with go test -update")
		assert.Equal(t, string(want), string(got))
	}
	for range 20 {
		assert.Equal(t, p.JSON(), planned(t, s, 7).JSON())
	}
	var back plan.Plan
	require.NoError(t, json.Unmarshal(p.JSON(), &back))
	assert.Equal(t, p, back)
}

func TestEventsStandInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	p := planned(t, steps(t, 3, kill("b", "recovery+0s", "catalog", "mode: one"), kill("a", "fault+1s", "catalog", "mode: one")), 1)
	require.Len(t, p.Events, 2)
	assert.Equal(t, "a", p.Events[0].Name)
	assert.Equal(t, 11*time.Second, p.Events[0].At, "offsets count from the start of warmup")
	assert.Equal(t, 20*time.Second, p.Events[1].At)
	assert.Equal(t, plan.Phase{Name: "recovery", From: 20 * time.Second, To: 40 * time.Second}, p.Phases[3])
	assert.Equal(t, []plan.Load{{Name: "browse", Rate: 200.5, To: 40 * time.Second}}, p.Loads, "a load that is off is not planned")
}

// legs is a scenario with a load of legs beside one that holds its rate.
func legs(t testing.TB) *scenarios.Scenario {
	t.Helper()
	s := steps(t, 1)
	at, to := scenarios.LegRate(20), scenarios.LegRate(120.5)
	s.Spec.Load[1].Enabled = nil
	s.Spec.Load[1].Rate = scenarios.Pace{Legs: []scenarios.Leg{
		{Until: scenarios.Moment{Phase: "steady", After: time.Second}, At: &at},
		{Until: scenarios.Moment{Phase: "fault", After: 5 * time.Second}, To: &to}, {At: new(scenarios.LegRate)},
	}}
	return s
}

func TestLegsArePlanned(t *testing.T) {
	t.Parallel()
	p := planned(t, legs(t), 1)
	require.Len(t, p.Loads, 2)
	const sec = time.Second
	assert.Equal(t, plan.Load{Name: "off", To: 40 * sec, Requests: 80 + 773, Legs: []plan.Leg{
		{From: 0, To: 4 * sec, Begins: 20, Ends: 20},
		{From: 4 * sec, To: 15 * sec, Begins: 20, Ends: 120.5}, // 70.25 · 11 = 772.75
		{From: 15 * sec, To: 40 * sec},
	}}, p.Loads[1])
	var text bytes.Buffer
	require.NoError(t, p.Text(&text))
	assert.Contains(t, text.String(), "browse  200.5/s          0s    40s\n"+
		"off     20/s             0s    4s\n        20/s to 120.5/s  4s    15s\n        0/s              15s   40s\n        853 requests\n")
	var back plan.Plan
	require.NoError(t, json.Unmarshal(p.JSON(), &back))
	assert.Equal(t, p, back)
	calm, err := plan.Make(legs(t), 1, "v0.0.0", true)
	require.NoError(t, err)
	assert.Equal(t, plan.Load{Name: "off", Rate: 20, To: 40 * sec}, calm.Loads[1], "held at the rate at the start of steady")
}

func TestTargetsArePlanned(t *testing.T) {
	t.Parallel()
	s := steps(t, 1)
	s.Spec.Load[0].Target = scenarios.Target{}
	s.Spec.Load[0].Targets = []scenarios.MixedTarget{
		{Name: "list", Weight: 9, Service: "gateway", Port: "http", Path: "/catalog", Method: "GET"},
		{Name: "off", Enabled: new(bool), Weight: 9, Service: "gateway", Port: "http", Path: "/", Method: "GET"},
		{Name: "buy", Weight: 1, Service: "gateway", Port: "http", Path: "/cart", Method: "POST", Body: "x"},
	}
	p := planned(t, s, 1)
	assert.Equal(t, []plan.Target{
		{Name: "list", Weight: 9, Sends: "GET gateway:http/catalog"}, {Name: "buy", Weight: 1, Sends: "POST gateway:http/cart"},
	}, p.Loads[0].Targets)
	var text bytes.Buffer
	require.NoError(t, p.Text(&text))
	assert.Contains(t, text.String(), "\n\nLOAD    TARGET  WEIGHT   SENDS\nbrowse  list    9 of 10  GET gateway:http/catalog\nbrowse  buy     1 of 10  POST gateway:http/cart\n\nno events\n")
	calm, err := plan.Make(s, 1, "v0.0.0", true)
	require.NoError(t, err)
	assert.Equal(t, p.Loads, calm.Loads)
}

func TestSeedsPickDifferentVictimsAlikeOften(t *testing.T) {
	t.Parallel()
	s := steps(t, 4, kill("kill", "fault+0s", "catalog", "mode: one"))
	first := map[plan.Candidate]int{}
	const seeds = 400
	for seed := range uint64(seeds) {
		event := planned(t, s, seed).Events[0]
		assert.ElementsMatch(t, []plan.Candidate{{Role: "catalog"}, {Role: "catalog", Ordinal: 1}, {Role: "catalog", Ordinal: 2}, {Role: "catalog", Ordinal: 3}},
			event.Candidates, "every pod that is selected is a candidate, once")
		first[event.Candidates[0]]++
	}
	require.Len(t, first, 4)
	for victim, times := range first {
		// 100 expected, standard deviation 8.7: five of them on each side.
		assert.InDelta(t, seeds/4, times, 44, "%v", victim)
	}
}

func TestAnotherEventChangesNoChoice(t *testing.T) {
	t.Parallel()
	one := kill("kill", "fault+0s", "catalog", "mode: random-max-percent, value: '100'")
	for seed := range uint64(50) {
		alone := planned(t, steps(t, 5, one), seed).Events[0]
		beside := planned(t, steps(t, 5, kill("other", "fault+0s", "catalog", "mode: one"), one), seed).Events[1]
		assert.Equal(t, alone, beside)
	}
}

func TestRandomShareIsDrawnFromZeroToTheMaximum(t *testing.T) {
	t.Parallel()
	s := steps(t, 5, kill("kill", "fault+0s", "catalog", "mode: random-max-percent, value: '3'"))
	drawn := map[int]bool{}
	for seed := range uint64(100) {
		count := planned(t, s, seed).Events[0].Count
		assert.Equal(t, "random-max-percent", count.Mode)
		drawn[count.Percent] = true
	}
	assert.Equal(t, map[int]bool{0: true, 1: true, 2: true, 3: true}, drawn)
}

func TestCalmAndSwitchedOffEntriesDoNotHappen(t *testing.T) {
	t.Parallel()
	s := steps(t, 3, kill("kill", "fault+0s", "catalog", "mode: one"),
		strings.Replace(kill("off", "fault+0s", "catalog", "mode: one"), "{name: off,", "{name: off, enabled: false,", 1))
	assert.Len(t, planned(t, s, 1).Events, 1)
	calm, err := plan.Make(s, 1, "v0.0.0", true)
	require.NoError(t, err)
	assert.True(t, calm.Calm)
	assert.Empty(t, calm.Events)
	assert.Len(t, calm.Loads, 1)
	assert.Contains(t, string(calm.JSON()), `"events": []`)
	var text bytes.Buffer
	require.NoError(t, calm.Text(&text))
	assert.Contains(t, text.String(), "plan of plan, calm")
	assert.Contains(t, text.String(), "no events")
}

func TestCountFollowsChaosMesh(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		count      plan.Count
		live, want int
	}{
		{plan.Count{Mode: "one", Pods: 1}, 3, 1},
		{plan.Count{Mode: "one", Pods: 1}, 0, 0},
		{plan.Count{Mode: "all"}, 3, 3},
		{plan.Count{Mode: "fixed", Pods: 2}, 3, 2},
		{plan.Count{Mode: "fixed", Pods: 5}, 3, 3},
		{plan.Count{Mode: "fixed-percent", Percent: 50}, 4, 2},
		{plan.Count{Mode: "fixed-percent", Percent: 50}, 3, 2}, // 1.5, rounded up
		{plan.Count{Mode: "fixed-percent", Percent: 1}, 3, 1},
		{plan.Count{Mode: "fixed-percent", Percent: 100}, 7, 7},
		{plan.Count{Mode: "random-max-percent", Percent: 0}, 7, 0},
		{plan.Count{Mode: "random-max-percent", Percent: 34}, 3, 2}, // 1.02, rounded up
	} {
		assert.Equal(t, test.want, test.count.Of(test.live), "%+v of %d", test.count, test.live)
	}
}

func TestStepsArePlannedWithoutVictims(t *testing.T) {
	t.Parallel()
	p := planned(t, steps(t, 3, `{name: up, at: fault+1s, scale: {workload: catalog, replicas: 5}}`), 1)
	assert.Equal(t, []plan.Event{{Name: "up", At: 11 * time.Second, Step: "scale catalog to 5"}}, p.Events)
	assert.Contains(t, string(p.JSON()), `"step": "scale catalog to 5"
    }`, "nothing about victims")
	var text bytes.Buffer
	require.NoError(t, p.Text(&text))
	assert.Regexp(t, `(?m)^up +11s +scale catalog to 5$`, text.String())
}

func TestNodesArePlannedByRoleAndOrdinal(t *testing.T) {
	t.Parallel()
	off := func(name, selector string) string {
		return fmt.Sprintf(`{name: %s, at: fault+0s, chaos: {kind: NodeChaos, spec: {action: power-off, mode: one, selector: %s}}}`, name, selector)
	}
	s := steps(t, 3, off("worker", "{roles: [worker]}"), off("named", "{nodes: [worker/1]}"), off("any", "{}"))
	s.Spec.Cluster.ControlPlanes = 3
	first := map[plan.Candidate]int{}
	for seed := range uint64(60) {
		p := planned(t, s, seed)
		require.Len(t, p.Events, 3)
		assert.Equal(t, "NodeChaos power-off", p.Events[0].Fault)
		assert.Equal(t, plan.Count{Mode: "one", Pods: 1}, p.Events[0].Count)
		assert.ElementsMatch(t, []plan.Candidate{{Role: "worker"}, {Role: "worker", Ordinal: 1}}, p.Events[0].Candidates)
		assert.Equal(t, []plan.Candidate{{Role: "worker", Ordinal: 1}}, p.Events[1].Candidates)
		assert.ElementsMatch(t, []plan.Candidate{
			{Role: "control-plane", Ordinal: 1}, {Role: "control-plane", Ordinal: 2}, {Role: "worker"}, {Role: "worker", Ordinal: 1},
		}, p.Events[2].Candidates, "never the client host, control-plane/0")
		first[p.Events[2].Candidates[0]]++
	}
	assert.Len(t, first, 4, "each seed draws its own")

	s.Spec.Cluster.Workers = 1 // as no parsed scenario has it
	_, err := plan.Make(s, 1, "v0.0.0", false)
	require.ErrorContains(t, err, "selects no node that the scenario declares")
}

func TestScenarioThatWasNotParsedIsRefused(t *testing.T) {
	t.Parallel()
	s := steps(t, 3, kill("kill", "fault+0s", "catalog", "mode: one"))
	s.Spec.Timeline[0].At.Phase = "quiet"
	_, err := plan.Make(s, 1, "v0.0.0", false)
	require.ErrorContains(t, err, `timeline entry "kill"`)
	s = steps(t, 3, kill("kill", "fault+0s", "catalog", "mode: one"))
	s.Spec.Workloads[0].Enabled = new(bool)
	_, err = plan.Make(s, 1, "v0.0.0", false)
	require.ErrorContains(t, err, "selects no pod")
}

func TestVictimsNarrowThePlan(t *testing.T) {
	t.Parallel()
	s := steps(t, 3,
		`{name: all of it, at: fault+0s, drain: {mode: all, selector: {}}}`,
		`{name: second, at: fault+0s, victims: {ordinal: 1}, drain: {mode: one}}`,
		`{name: host, at: fault+0s, victims: {hosting: {labelSelectors: {app: catalog}}}, chaos: {kind: NodeChaos, spec: {action: stop, mode: one}}}`,
		`{name: last, at: fault+0s, victims: {ordinal: 2}, chaos: {kind: PodChaos, spec: {action: pod-kill, mode: all, selector: {}}}}`)
	p := planned(t, s, 3)
	workers := []plan.Candidate{{Role: "worker"}, {Role: "worker", Ordinal: 1}}
	require.Len(t, p.Events, 4)
	assert.Equal(t, []string{"drain", "drain", "", ""}, []string{p.Events[0].Step, p.Events[1].Step, p.Events[2].Step, p.Events[3].Step})
	assert.ElementsMatch(t, workers, p.Events[0].Candidates)
	assert.Equal(t, workers[1:], p.Events[1].Candidates)
	assert.ElementsMatch(t, workers, p.Events[2].Candidates, "who hosts what is known at the injection")
	assert.Equal(t, []plan.Candidate{{Role: "catalog", Ordinal: 2}}, p.Events[3].Candidates, "the gateway has two")
	var text bytes.Buffer
	require.NoError(t, p.Text(&text))
	assert.Regexp(t, `(?m)^host +10s +NodeChaos stop +1 +worker/\d worker/\d, hosting app=catalog$`, text.String())
	assert.Regexp(t, `(?m)^second +10s +drain +1 +worker/1, ordinal 1$`, text.String())
}

// An entry that waits has its condition and its bound in place of a time.
func TestEntriesThatWaitArePlanned(t *testing.T) {
	t.Parallel()
	wait := `{name: wait, when: 'workload("catalog").ready < 2', by: recovery+1s, scale: {workload: catalog, replicas: 5}}`
	soon := strings.Replace(strings.Replace(kill("soon", "fault+1s", "catalog", "mode: one"), "at:", "by:", 1), "{name", "{when: 'event(\"a\").injected', name", 1)
	s := steps(t, 3, wait, soon, kill("a", "recovery+9s", "catalog", "mode: one"))
	p := planned(t, s, 1)
	require.Len(t, p.Events, 3)
	assert.Equal(t, "a", p.Events[0].Name, "those with a time come first")
	assert.Equal(t, "soon", p.Events[1].Name)
	assert.Equal(t, plan.Event{Name: "wait", When: `workload("catalog").ready < 2`, By: 21 * time.Second, Step: "scale catalog to 5"}, p.Events[2])
	var text bytes.Buffer
	require.NoError(t, p.Text(&text))
	assert.Contains(t, text.String(), `wait   when workload("catalog").ready < 2, by 21s  scale catalog to 5`)
	assert.NotContains(t, string(p.Events[2].Name)+string(p.JSON()[bytes.Index(p.JSON(), []byte(`"name": "soon"`)):]), `"at"`)
	var back plan.Plan
	require.NoError(t, json.Unmarshal(p.JSON(), &back))
	assert.Equal(t, p, back)
	calm, err := plan.Make(s, 1, "v0.0.0", true)
	require.NoError(t, err)
	assert.Empty(t, calm.Events)
}

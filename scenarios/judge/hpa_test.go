package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"
	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scaler writes what an autoscaler of the catalog says.
func (t *tape) scaler(at time.Duration, desired int, change ...func(*reports.HPAEntry)) {
	e := &reports.HPAEntry{Name: "catalog", Target: "Deployment/catalog", Min: 1, Max: 6, Current: 3, Desired: desired,
		Metrics: []reports.HPAMetric{{Name: "cpu", Target: "60%", Now: "140%"}},
		Conditions: []reports.HPACondition{
			{Type: "AbleToScale", Status: "True", Reason: "ReadyForNewScale"},
			{Type: "ScalingActive", Status: "True", Reason: "ValidMetricFound"},
			{Type: "ScalingLimited", Status: "False", Reason: "DesiredWithinRange"},
		}}
	for _, c := range change {
		c(e)
	}
	t.add(at, reports.Entry{Kind: reports.KindHPA, HPA: e})
}

// says changes a condition of an autoscaler.
func says(kind int, status, reason string) func(*reports.HPAEntry) {
	return func(e *reports.HPAEntry) { e.Conditions[kind].Status, e.Conditions[kind].Reason = status, reason }
}

// scaled is a sound run with fast timers whose autoscaler asks for 3 pods from the
// start, for 5 from 17 s on and for 4 from 28 s on; they are there at 19 s.
func scaled(change func(*tape)) *tape {
	t := soundRun()
	t.rec.Header.Timers = "fast"
	t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindWorkload })
	t.ready(3*sec, 3)
	t.scaler(2*sec, 0, func(e *reports.HPAEntry) { e.Current, e.Conditions = 0, nil })
	t.scaler(4*sec, 3)
	t.scaler(17*sec, 5)
	t.ready(18*sec, 4)
	t.ready(19*sec, 5)
	t.scaler(28*sec, 4)
	t.ready(29*sec, 4)
	change(t)
	return t
}

// withScaler is the scenario with an autoscaler.
func withScaler(t *testing.T, expression string) reports.Finding {
	t.Helper()
	return findingOf(t, scaled(func(*tape) {}), expression)
}

func findingOf(t *testing.T, rec *tape, expression string) reports.Finding {
	t.Helper()
	s := podKill(that("it", expression))
	s.Spec.Workloads[0].Shop.Autoscale = map[string]shop.Autoscale{"catalog": {Min: 1, Max: 6, CPU: 60}}
	require.NoError(t, judge.Check(s, s.Spec.Expect[0]))
	return judge.Judge(s, &rec.rec).Expect[0]
}

// In the window of the event, from 15 s to 45 s.
func TestAutoscalers(t *testing.T) {
	for name, c := range map[string]struct {
		change                                    func(*tape)
		first, enough, overshoot, flaps, unserved string
	}{
		"follows":                                {func(*tape) {}, "2s", "3s", "1", "1", "0"},
		"loses requests before there is enough":  {func(t *tape) { t.fail(17*sec+500*ms, 20*sec) }, "2s", "3s", "1", "1", "50"},
		"never had enough ready":                 {func(t *tape) { t.ready(44*sec, 3); t.fail(40*sec, 41*sec) }, "2s", "never", "1", "1", "100"},
		"has enough until the end and no longer": {func(t *tape) { t.ready(45*sec+1, 3) }, "2s", "3s", "1", "1", "0"},
		"too few for a moment":                   {func(t *tape) { t.ready(40*sec, 3); t.ready(41*sec, 4) }, "2s", "26s", "1", "1", "0"},
		"would have more than it may":            {func(t *tape) { t.scaler(44*sec, 4, says(2, "True", "TooManyReplicas")) }, "2s", "never", "1", "1", "0"},
		"would have more than it may at once":    {func(t *tape) { t.scaler(44*sec, 4, says(2, "True", "ScaleUpLimit")) }, "2s", "never", "1", "1", "0"},
		"would have fewer than it may":           {func(t *tape) { t.scaler(44*sec, 4, says(2, "True", "TooFewReplicas")) }, "2s", "3s", "1", "1", "0"},
		"cannot scale":                           {func(t *tape) { t.scaler(44*sec, 4, says(0, "False", "FailedGetScale")) }, "2s", "never", "1", "1", "0"},
		"waits to have fewer": {func(t *tape) { t.scaler(44*sec, 4, says(0, "True", "ScaleDownStabilized")) }, "2s", "3s",
			`absent: autoscaler "catalog" would ask for less at the end, and waits with that`, "1", "0"},
		"lost its metrics": {func(t *tape) { t.scaler(44*sec, 4, says(1, "False", "FailedGetResourceMetric")) }, "2s",
			`absent: autoscaler "catalog" could not read its metrics at the end`, `absent: autoscaler "catalog" could not read its metrics at the end`, "1",
			`absent: autoscaler "catalog" could not read its metrics at the end`},
		"never had metrics": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindHPA })
			t.scaler(4*sec, 0, says(1, "False", "FailedGetResourceMetric"))
			t.fail(30*sec, 31*sec)
		}, "never", "never", `absent: autoscaler "catalog" could not read its metrics at the end`, "0", "100"},
		"asked for more at the end": {func(t *tape) { t.scaler(20*sec+1, 6) }, "2s",
			`absent: autoscaler "catalog" asked for more 25.0s before the end: it may not have settled, for which it has 25s`,
			`absent: autoscaler "catalog" asked for more 25.0s before the end: it may not have settled, for which it has 25s`, "1",
			`absent: autoscaler "catalog" asked for more 25.0s before the end: it may not have settled, for which it has 25s`},
		"asked for more just long enough before the end": {func(t *tape) { t.scaler(20*sec, 6) }, "2s", "3s", "2", "1", "0"},
		"stock timers take longer": {func(t *tape) { t.rec.Header.Timers = "stock" }, "2s",
			`absent: autoscaler "catalog" need not have answered yet: what is looked at is shorter than 45s`,
			`absent: autoscaler "catalog" need not have answered yet: what is looked at is shorter than 45s`, "1",
			`absent: autoscaler "catalog" need not have answered yet: what is looked at is shorter than 45s`},
		"turns thrice": {func(t *tape) { t.scaler(18*sec, 4); t.scaler(19*sec, 5) }, "2s", "3s", "1", "3", "0"},
		"was deleted": {func(t *tape) { t.scaler(44*sec, 4, func(e *reports.HPAEntry) { e.Deleted = true }) },
			`absent: autoscaler "catalog" is not there any more at the end`, `absent: autoscaler "catalog" is not there any more at the end`,
			`absent: autoscaler "catalog" is not there any more at the end`, `absent: autoscaler "catalog" is not there any more at the end`,
			`absent: autoscaler "catalog" is not there any more at the end`},
		"an old record": {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindHPA }) },
			`absent: the record does not show what autoscaler "catalog" asks for`, `absent: the record does not show what autoscaler "catalog" asks for`,
			`absent: the record does not show what autoscaler "catalog" asks for`, `absent: the record does not show what autoscaler "catalog" asks for`,
			`absent: the record does not show what autoscaler "catalog" asks for`},
		"its target is nobody's": {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindWorkload }) }, "2s",
			`absent: the record does not show the state of workload "catalog", which autoscaler "catalog" scales, at the beginning`, "1", "1",
			`absent: the record does not show the state of workload "catalog", which autoscaler "catalog" scales, at the beginning`},
		"nothing was sent": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindRequest && e.At >= killAt })
		}, "2s", "3s", "1", "1",
			`absent: no request was sent in event(kill)`},
		"the run was calm": {func(t *tape) { t.rec.Header.Calm = true }, calmly, calmly, calmly, calmly, calmly},
	} {
		t.Run(name, func(t *testing.T) {
			rec := scaled(c.change)
			for field, want := range map[string]string{"first_scale_up": c.first, "enough": c.enough, "overshoot": c.overshoot, "flaps": c.flaps, "unserved": c.unserved} {
				measure := `event("kill").hpa("catalog").` + field
				f := findingOf(t, rec, measure+" == "+measure)
				require.NotEmpty(t, f.Values, f.Why)
				assert.Equal(t, want, f.Values[0].Value, field)
			}
		})
	}
}

const calmly = "absent: the run was calm: its timeline was off"

// Alone, an autoscaler and a workload are looked at from warmup to the end of
// quiet; in a window, in that.
func TestStatesAloneAndInWindows(t *testing.T) {
	for measure, want := range map[string]string{
		`hpa("catalog").desired`:                        "4",
		`steady.hpa("catalog").desired`:                 "3",
		`fault.hpa("catalog").desired`:                  "5",
		`hpa("catalog").first_scale_up`:                 "12s",
		`fault.hpa("catalog").first_scale_up`:           "2s",
		`recovery.hpa("catalog").first_scale_up`:        "never",
		`hpa("catalog").enough`:                         "13s",
		`workload("catalog").least`:                     "3",
		`workload("catalog").most`:                      "5",
		`recovery.workload("catalog").least`:            "4",
		`recovery.workload("catalog").most`:             "5",
		`steady.workload("catalog").most`:               "3",
		`fault.workload("catalog").ready`:               "5",
		`workload("gateway").least`:                     `absent: the record does not show the state of workload "gateway" at the beginning`,
		`load("browse").fault.workload("catalog").most`: "5",
	} {
		assert.Equal(t, want, withScaler(t, measure+" == "+measure).Values[0].Value, measure)
	}
}

// A state that began exactly where a window begins or ends is in it, and the one
// before it is not.
func TestStatesAtTheEdgesOfWindows(t *testing.T) {
	rec := scaled(func(t *tape) {
		t.ready(recoveryAt, 2)
		t.ready(26*sec, 3)
		t.ready(quietAt, 9)
	})
	for measure, want := range map[string]string{
		`fault.workload("catalog").least`:                 "2",
		`fault.workload("catalog").ready`:                 "2",
		`recovery.workload("catalog").least`:              "2",
		`recovery.workload("catalog").most`:               "9",
		`window("kill", "kill").workload("catalog").most`: "3",
	} {
		assert.Equal(t, want, value(t, rec, measure), measure)
	}
	rec = scaled(func(t *tape) { t.ready(recoveryAt, 2); t.ready(26*sec, 3) })
	assert.Equal(t, "4", value(t, rec, `recovery.workload("catalog").most`))
}

func TestAutoscalersInWordsAndWhereTheyBroke(t *testing.T) {
	for expression, want := range map[string]struct {
		says string
		at   time.Duration
	}{
		`fault.hpa("catalog").first_scale_up <= duration("1s")`:   {"autoscaler catalog asked for more pods after 2s in fault, at most 1s was promised", 16 * sec},
		`recovery.hpa("catalog").first_scale_up < duration("5s")`: {"autoscaler catalog never asked for more pods in recovery, less than 5s was promised", 30 * sec},
		`event("kill").hpa("catalog").enough <= duration("2s")`:   {"autoscaler catalog had enough pods after 3s after kill, at most 2s was promised", 17 * sec},
		`event("kill").hpa("catalog").overshoot == 0`:             {"autoscaler catalog asked for 1 pods too many after kill, exactly 0 were promised", 17 * sec},
		`hpa("catalog").flaps == 0`:                               {"autoscaler catalog changed its direction 1 times, exactly 0 were promised", 28 * sec},
		`hpa("catalog").desired == 3`:                             {"autoscaler catalog asked for 4 pods at the end, exactly 3 were promised", 0},
		`fault.workload("catalog").most <= 4`:                     {"workload catalog had at most 5 ready pods in fault, at most 4 were promised", 19 * sec},
		`workload("catalog").least >= 4`:                          {"workload catalog had at least 3 ready pods, at least 4 were promised", warmupAt},
		`fault.workload("catalog").ready == 3`:                    {"workload catalog had 5 ready pods at the end, in fault, exactly 3 were promised", 19 * sec},
	} {
		f := withScaler(t, expression)
		require.NotNil(t, f.Held, "%s: %s", expression, f.Why)
		assert.False(t, *f.Held, expression)
		assert.Equal(t, want.says, f.Says)
		if want.at == 0 {
			assert.Nil(t, f.Broke, expression)
			continue
		}
		require.NotNil(t, f.Broke, expression)
		assert.Equal(t, want.at, f.Broke.At, expression)
	}
	lost := findingOf(t, scaled(func(t *tape) { t.fail(17*sec+500*ms, 20*sec) }), `event("kill").hpa("catalog").unserved <= 10`)
	assert.Equal(t, "50 requests were lost before autoscaler catalog had enough pods after kill, at most 10 were promised", lost.Says)
	require.NotNil(t, lost.Broke)
	assert.Equal(t, 17*sec+600*ms, lost.Broke.At)
	assert.Contains(t, lost.Broke.Near, reports.Nearby{At: 17 * sec, What: "autoscaler catalog: asks for 5 pods (cpu 140% of 60%)"})
}

func TestAutoscalersAreNamedAsTheWorkloadsRenderThem(t *testing.T) {
	s := podKill()
	assert.ErrorContains(t, judge.Check(s, that("it", `hpa("catalog").flaps == 0`)), `there is no autoscaler "catalog": the scenario has none`)
	s.Spec.Workloads[0].Shop.Autoscale = map[string]shop.Autoscale{"catalog": {Min: 1, Max: 6, CPU: 60}}
	assert.NoError(t, judge.Check(s, that("it", `fault.hpa("catalog").flaps == 0`)))
	assert.ErrorContains(t, judge.Check(s, that("it", `fault.hpa("gateway").flaps == 0`)), `there is no autoscaler "gateway": there is catalog`)
	assert.ErrorContains(t, judge.Check(s, that("it", `hpa("catalog").flap == 0`)),
		`"flap" is not in an hpa: it has desired, first_scale_up, enough, overshoot, flaps, unserved`)
	s.Spec.Steady = append(s.Spec.Steady, that("early", `steady.hpa("catalog").desired == 1 && steady.workload("catalog").least >= 1`),
		that("late", `hpa("catalog").desired == 1`), that("later", `fault.workload("catalog").least >= 1`))
	assert.NoError(t, judge.Check(s, s.Spec.Steady[0]))
	assert.ErrorContains(t, judge.Check(s, s.Spec.Steady[1]), "hpa looks beyond the phase steady")
	assert.ErrorContains(t, judge.Check(s, s.Spec.Steady[2]), "fault looks beyond the phase steady")
}

func TestAutoscalersInTheReport(t *testing.T) {
	rec := scaled(func(t *tape) {
		t.scaler(60*sec, 4) // nothing new
		for i := range 12 {
			t.scaler(time.Duration(61+i)*sec, 5+i%2)
		}
	})
	got := judge.Judge(podKill(), &rec.rec).Autoscalers
	require.Len(t, got, 1)
	assert.Equal(t, 3, got[0].More)
	got[0].Asked = got[0].Asked[:3]
	cpu := "cpu 140% of 60%"
	assert.Equal(t, reports.AutoscalerMeasure{Name: "catalog", Target: "Deployment/catalog", Min: 1, Max: 6, More: 3,
		Asked: []reports.Asked{{At: 4 * sec, Pods: 3, By: cpu}, {At: 17 * sec, Pods: 5, By: cpu}, {At: 28 * sec, Pods: 4, By: cpu}}}, got[0])
	assert.Empty(t, judge.Judge(podKill(), &soundRun().rec).Autoscalers)
}

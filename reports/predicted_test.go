package reports_test

import (
	"bytes"
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPredictions(t *testing.T) {
	terms := []reports.PredictedTerm{
		{Name: "a pod starts", Most: 3 * time.Second, From: "allowance"},
		{Name: "its program starts", Least: 2 * time.Second, Most: 2 * time.Second, From: "startup"},
	}
	window := reports.Predicted{Measure: "healed", Least: 2 * time.Second, Most: 5 * time.Second, Terms: terms}
	with := func(measured time.Duration, inside bool) reports.Predicted {
		p := window
		p.Measured, p.Inside = &measured, inside
		return p
	}
	for _, c := range []struct {
		event reports.EventMeasure
		says  []string
		not   string
	}{
		{reports.EventMeasure{Predicted: []reports.Predicted{with(3*time.Second, true)}}, []string{"as Kubernetes' timers have it: healed in 3.00s (2.00s to 5.00s)"}, "a pod starts"},
		{reports.EventMeasure{Predicted: []reports.Predicted{with(6*time.Second, false)}}, []string{"it was not, healed in 6.00s", "a pod starts 0s to 3.00s (allowance) + its program starts 2.00s (startup)"}, "not measured"},
		{reports.EventMeasure{Predicted: []reports.Predicted{with(reports.Never, false)}}, []string{"it was not, never healed"}, "not measured"},
		{reports.EventMeasure{Predicted: []reports.Predicted{window}}, []string{"and was not measured"}, "a pod starts"},
		{reports.EventMeasure{Predicted: []reports.Predicted{{Measure: "healed", Never: true, Why: "no controller"}}}, []string{"healed was never to come: no controller"}, "Kubernetes' timers"},
		{reports.EventMeasure{Unpredicted: "the flags were not read"}, []string{"nothing is predicted: the flags were not read"}, "was to come"},
		{reports.EventMeasure{Unpredicted: "a\x1b[31mb"}, []string{"nothing is predicted: a"}, "\x1b"},
	} {
		var out bytes.Buffer
		require.NoError(t, reports.Text(&out, []reports.Verdict{{Scenario: "s", Outcome: reports.Pass, Events: []reports.EventMeasure{c.event}}}, reports.TextOptions{}))
		for _, text := range c.says {
			assert.Contains(t, out.String(), text)
		}
		assert.NotContains(t, out.String(), c.not)
	}
}

package reports_test

import (
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

// lossOfANode are windows as the oracle makes them, and what was measured.
func lossOfANode(detected, withdrawn, healed time.Duration) []reports.Predicted {
	silent := []reports.PredictedTerm{
		{Name: "grace", Least: 10 * time.Second, Most: 10 * time.Second, From: "node-monitor-grace-period"},
		{Name: "since its Lease was renewed", Least: -2 * time.Second, From: "nodeLeaseDurationSeconds / 4"},
		{Name: "the nodes are looked at", Most: time.Second, From: "node-monitor-period"},
	}
	shown := reports.PredictedTerm{Name: "the API shows it", Most: time.Second, From: "allowance"}
	follows := reports.PredictedTerm{Name: "the EndpointSlice follows", Most: time.Second, From: "allowance"}
	window := func(measure string, measured time.Duration, more ...reports.PredictedTerm) reports.Predicted {
		p := reports.Predicted{Measure: measure, Measured: &measured, Terms: append(silent[:3:3], more...)}
		for _, t := range p.Terms {
			p.Least, p.Most = p.Least+t.Least, p.Most+t.Most
		}
		p.Inside = p.Least <= measured && measured <= p.Most
		return p
	}
	return []reports.Predicted{
		window("detected", detected, shown),            // 8 s to 12 s
		window("withdrawn", withdrawn, shown, follows), // 8 s to 13 s
		window("healed", healed, // 23 s to 30 s
			reports.PredictedTerm{Name: "its pods tolerate it", Least: 15 * time.Second, Most: 15 * time.Second, From: "tolerationSeconds"},
			reports.PredictedTerm{Name: "a pod starts", Most: 3 * time.Second, From: "allowance"},
			reports.PredictedTerm{Name: "a probe is due", Most: time.Second, From: "periodSeconds"}),
	}
}

func TestBlame(t *testing.T) {
	t.Parallel()
	s := time.Second
	for name, c := range map[string]struct {
		all  []reports.Predicted
		at   int
		says string
	}{
		"inside": {lossOfANode(10*s, 10*s, 26*s), 2, ""},
		"the first measure has the whole window": {lossOfANode(25*s, 25*s, 41*s), 0,
			"13.0s too late: grace (node-monitor-grace-period) would have to be at least 23.0s and not 10.0s; less likely the nodes are looked at (node-monitor-period) would have to be at least 14.0s and not 0s to 1.00s, or the API shows it (allowance) would have to be at least 14.0s and not 0s to 1.00s"},
		"a later one follows the first": {lossOfANode(25*s, 25*s, 41*s), 2,
			"11.0s too late, as detected was: since then it took 16.0s (14.0s to 19.0s)"},
		"what an allowance could be wrong by": {lossOfANode(10*s, 10*s, 31*s), 2,
			"1.00s too late, 21.0s after detected (14.0s to 19.0s): a pod starts (allowance) would have to be at least 5.00s and not 0s to 3.00s; less likely its pods tolerate it (tolerationSeconds) would have to be at least 17.0s and not 15.0s, or a probe is due (periodSeconds) would have to be at least 3.00s and not 0s to 1.00s"},
		"a timer after the first measure": {lossOfANode(10*s, 10*s, 46*s), 2,
			"16.0s too late, 36.0s after detected (14.0s to 19.0s): its pods tolerate it (tolerationSeconds) would have to be at least 32.0s and not 15.0s; less likely a pod starts (allowance) would have to be at least 20.0s and not 0s to 3.00s, or a probe is due (periodSeconds) would have to be at least 18.0s and not 0s to 1.00s"},
		"only what has a least can be shorter": {lossOfANode(10*s, 10*s, 12*s), 2,
			"11.0s too early, 2.00s after detected (14.0s to 19.0s): its pods tolerate it (tolerationSeconds) would have to be at most 3.00s and not 15.0s"},
		"a lead that is longer": {lossOfANode(7*s, 10*s, 26*s), 0,
			"1.00s too early: grace (node-monitor-grace-period) would have to be at most 9.00s and not 10.0s; less likely since its Lease was renewed (nodeLeaseDurationSeconds / 4) would have to be at most -3.00s and not -2.00s to 0s"},
		"nothing can be shorter": {[]reports.Predicted{{Measure: "detected", Measured: new(time.Duration), Least: 1, Most: 2}}, 0,
			"1ns too early: no term can be wrong by that, so the rule does not hold or the measure is wrong"},
		"never":        {lossOfANode(reports.Never, 10*s, 26*s), 0, "it never came: a term without end is missing, or the rule does not hold"},
		"not measured": {[]reports.Predicted{{Measure: "healed"}}, 0, "it was not measured"},
		"came although it was not to": {[]reports.Predicted{{Measure: "healed", Measured: &s, Never: true, Why: "no controller replaces it"}}, 0,
			"it came in 1.00s although no controller replaces it"},
		"an earlier one that never came narrows nothing": {lossOfANode(reports.Never, reports.Never, 31*s), 2,
			"1.00s too late: a pod starts (allowance) would have to be at least 4.00s and not 0s to 3.00s; less likely its pods tolerate it (tolerationSeconds) would have to be at least 16.0s and not 15.0s, or grace (node-monitor-grace-period) would have to be at least 11.0s and not 10.0s, or the nodes are looked at (node-monitor-period) would have to be at least 2.00s and not 0s to 1.00s, or a probe is due (periodSeconds) would have to be at least 2.00s and not 0s to 1.00s"},
	} {
		assert.Equal(t, c.says, reports.Blame(c.all, c.at), name)
	}
}

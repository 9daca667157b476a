package main

import (
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

// verdictOn is a verdict that lost some requests and recovered after some time.
func verdictOn(provider, twin string, outcome reports.Outcome, lost uint64, recovery time.Duration) reports.Verdict {
	v := reports.Verdict{Scenario: "s", Twin: twin, Provider: provider, Outcome: outcome,
		Windows: []reports.WindowMeasure{{Window: "steady", Lost: 1000}, {Window: "fault", Load: "a", Lost: lost}, {Window: "fault", Load: "b"}},
		Events:  []reports.EventMeasure{{Recovery: &recovery}}}
	if twin != "" {
		designed := outcome == reports.Fail
		v.Designed = &designed
	}
	return v
}

func TestVerdictsOfProvidersStandSideBySide(t *testing.T) {
	t.Parallel()
	all := []reports.Verdict{
		verdictOn("embedded", "", reports.Pass, 4, time.Second), verdictOn("embedded", "one", reports.Fail, 400, reports.Never),
		verdictOn("kind", "", reports.Pass, 0, 2*time.Second), verdictOn("kind", "one", reports.Fail, 500, reports.Never),
		verdictOn("embedded", "", reports.Pass, 1, 3*time.Second), verdictOn("embedded", "one", reports.Fail, 300, 9*time.Second),
	}
	const want = `| scenario | provider | verdicts | lost | healed | recovery |
| --- | --- | --- | --- | --- | --- |
| s | embedded | 2 pass | 1 (1 to 4) | – | 1.00s (1.00s to 3.00s) |
| s | kind | 1 pass | 0 | – | 2.00s |
| s, twin one | embedded | 2 fail as designed | 300 (300 to 400) | – | 9.00s (9.00s to never) |
| s, twin one | kind | 1 fail as designed | 500 | – | never |

All runs of each came to the same verdict, on every provider.
`
	assert.Equal(t, want, verdictTable([]string{"embedded", "kind"}, all))

	for name, other := range map[string]reports.Verdict{
		"another outcome":     verdictOn("kind", "", reports.Inconclusive, 0, 0),
		"not as designed":     verdictOn("kind", "one", reports.Pass, 0, 0),
		"a case of its own":   verdictOn("kind", "two", reports.Fail, 0, 0),
		"the first's changes": verdictOn("embedded", "", reports.Fail, 0, 0),
	} {
		assert.Contains(t, verdictTable([]string{"embedded", "kind"}, append(all[:len(all):len(all)], other)),
			"\nNot all runs of each came to the same verdict.\n", name)
	}
}

func TestBenchVerdictsRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	code, _, stderr := runApp(t, "bench", "verdicts", "--rounds", "0", "--on", "auto,kind,kind,moon", "--runs", "")
	assert.Equal(t, exitMisuse, code)
	for _, want := range []string{"--rounds 0", "each provider once and by its name", `"moon"`, "--runs needs a folder"} {
		assert.Contains(t, stderr, want)
	}
	code, _, stderr = runApp(t, "bench", "verdicts", "nothing-of-this-name")
	assert.Equal(t, exitMisuse, code)
	assert.Contains(t, stderr, "nothing-of-this-name")
}

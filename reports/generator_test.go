package reports_test

import (
	"bytes"
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGeneratorsTakeALineEach(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, reports.Text(&out, []reports.Verdict{{Outcome: reports.Pass, Generators: []reports.GeneratorMeasure{
		{Load: "browse", Window: "fault", Errors: map[string]uint64{"reset": 99}},
		{Load: "browse", Window: "run", LagP99: time.Millisecond, LagMax: 3 * time.Millisecond, CPU: ptr(2 * time.Second),
			Pauses: &reports.Pauses{Count: 7, Total: 4 * time.Millisecond, Longest: time.Millisecond},
			Errors: map[string]uint64{"reset": 3, "refused": 12, "TLS": 3}},
		{Load: "buy\x1b", Window: "run"},
	}}}, reports.TextOptions{}))
	assert.Contains(t, out.String(),
		"\n  generator browse · send lag p99 1.0ms, at most 3.0ms · CPU 2.00s · 7 GCs paused it for 4.0ms, at most 1.0ms · errors: 12 refused, 3 TLS, 3 reset\n")
	assert.Regexp(t, `\n  generator buy.* · send lag p99 0s, at most 0s · no errors of sockets\n`, out.String())
	assert.NotContains(t, out.String(), "99 reset")
	assert.NotContains(t, out.String(), "\x1b")
}

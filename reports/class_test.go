package reports_test

import (
	"bytes"
	"testing"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClassesAreShown(t *testing.T) {
	windows := []reports.WindowMeasure{
		{Window: "fault", Load: "browse", Requests: 10, Good: 10, Classes: &reports.ClassCounts{Full: 7, Degraded: 2, Failed: 1}},
		{Window: "fault", Load: "buy", Requests: 10, Good: 10},
	}
	shown := func() string {
		var out bytes.Buffer
		require.NoError(t, reports.Text(&out, []reports.Verdict{{Outcome: reports.Pass, Windows: windows}}, reports.TextOptions{}))
		return out.String()
	}
	assert.Contains(t, shown(), "  window  load    full  degraded  failed\n  fault   browse     7         2       1\n")
	windows[0].Classes = nil
	assert.NotContains(t, shown(), "degraded")
}

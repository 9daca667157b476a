package reports_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnAbortIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := reports.Create(dir, reports.Header{}, nil, nil)
	require.NoError(t, err)
	abort := reports.AbortEntry{
		Name: "users suffer", That: "x < 1", Known: map[string]reports.Offset{"browse": 4 * time.Second},
		Values: []reports.Value{{Expr: "x", Value: "0"}},
	}
	w.Add(reports.Entry{At: 5 * time.Second, Kind: reports.KindAbort, Abort: &abort})
	require.NoError(t, w.Close())
	rec, err := reports.Open(dir)
	require.NoError(t, err)
	require.Len(t, rec.Entries, 1)
	assert.Equal(t, reports.Entry{At: 5 * time.Second, Kind: reports.KindAbort, Abort: &abort}, rec.Entries[0])
}

func TestAnAbortStandsInTheVerdict(t *testing.T) {
	v := reports.Verdict{Scenario: "s", Outcome: reports.Fail, Reason: "fail (aborted): users suffer.", Aborted: &reports.Aborted{Name: "users suffer"}}
	text := func() string {
		var b bytes.Buffer
		require.NoError(t, reports.Text(&b, []reports.Verdict{v}, reports.TextOptions{}))
		return b.String()
	}
	assert.Contains(t, text(), "✗ FAIL (ABORTED)  s")
	v.Outcome = reports.Inconclusive // for another reason
	assert.Contains(t, text(), "? INCONCLUSIVE  s")
}

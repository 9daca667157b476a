package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keptOracleRuns are the runs that docs/oracle.md tells of.
func keptOracleRuns(t *testing.T) []oracleRun {
	t.Helper()
	const name = "../../docs/oracle-runs.jsonl"
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(raw), "\n"), "half a line is kept")
	runs, err := readOracleRuns(name, raw)
	require.NoError(t, err)
	return runs
}

// The table in docs/oracle.md is what the kept runs come to.
func TestOracleDocsShowTheRuns(t *testing.T) {
	t.Parallel()
	const name, begin, end = "../../docs/oracle.md", "-run TestOracleDocs -update -->\n\n", "\n<!-- end -->"
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := head + begin + oracleTable(keptOracleRuns(t)) + end + tail
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(raw), "write it with go test -update")
}

// Where a flag was shifted behind the oracle's back the node is detected outside
// its window, and the flag is named.
func TestOracleDocsShiftPutsReadingsOutside(t *testing.T) {
	t.Parallel()
	shifted := 0
	for _, r := range lastJudged(keptOracleRuns(t)) {
		if r.Shift == "" || !r.conclusive() {
			continue
		}
		shifted++
		assert.Contains(t, r.outside("detected"), ": grace for a silent node (node-monitor-grace-period) would have to be at least ", "%s, seed %d", r.oracleCase, r.Seed)
		assert.False(t, r.inside())
	}
	assert.GreaterOrEqual(t, shifted, 5)
}

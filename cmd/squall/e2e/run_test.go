package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// records are the folders of runs in a folder.
func records(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*", reports.FileRecord))
	require.NoError(t, err)
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

// one is the only run in a folder, with its verdict.
func one(t *testing.T, folder string) (string, reports.Verdict) {
	t.Helper()
	dirs := records(t, folder)
	require.Len(t, dirs, 1)
	v, err := reports.ReadVerdict(dirs[0])
	require.NoError(t, err)
	return dirs[0], v
}

func TestRunIsJudgedReportedAndJudgedAgain(t *testing.T) {
	folder := t.TempDir()
	runs, inJSON, inXML := filepath.Join(folder, "runs"), filepath.Join(folder, "v.json"), filepath.Join(folder, "v.xml")
	stdout, _ := squall(t, 0, "run", "testdata/small.yaml", "--runs", runs, "--json", inJSON, "--junit", inXML)
	assert.Contains(t, stdout, "✓ PASS  small\n")
	dir, v := one(t, runs)
	assert.Contains(t, stdout, "record: "+dir+"\n")
	assert.Equal(t, reports.Pass, v.Outcome)

	var said []reports.Verdict
	text, err := os.ReadFile(inJSON)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &said))
	assert.Equal(t, []reports.Verdict{v}, said)
	text, err = os.ReadFile(inXML)
	require.NoError(t, err)
	assert.Contains(t, string(text), `<testsuite name="small"`)

	// The cluster is gone; the record is enough.
	before, err := os.ReadFile(filepath.Join(dir, reports.FileVerdict))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, reports.FileVerdict)))
	stdout, _ = squall(t, 0, "judge", dir)
	assert.Contains(t, stdout, "✓ PASS  small\n")
	after, err := os.ReadFile(filepath.Join(dir, reports.FileVerdict))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	stdout, _ = squall(t, 1, "judge", dir, "--expect", `healed=event("kill").healed <= duration("1ms")`)
	assert.Regexp(t, `event\("kill"\)\.healed = \d`, stdout)
	stdout, _ = squall(t, 0, "report", dir)
	assert.Contains(t, stdout, "✓ PASS  small\n")
	requireReplayed(t, dir)
}

// requireReplayed follows a run that passed, with the one thing changed that keeps it
// from passing: nothing is injected.
func requireReplayed(t *testing.T, dir string) {
	runs := filepath.Join(t.TempDir(), "runs")
	stdout, _ := squall(t, 3, "run", "--replay", dir, "--runs", runs, "--debug-no-inject")
	assert.NotContains(t, stdout, "PASS")
	assert.Contains(t, stdout, "replay of "+filepath.Base(dir)+": it was pass, this is inconclusive\n")
	again, v := one(t, runs)
	assert.Equal(t, reports.Inconclusive, v.Outcome)
	victims := func(dir string) map[string]int {
		rec, err := reports.Open(dir)
		require.NoError(t, err)
		hit := map[string]int{}
		for _, e := range rec.Entries {
			if e.Event != nil && e.Event.Stage == reports.StageInjected {
				for _, v := range e.Event.Victims {
					hit[v.Role] = v.Ordinal
				}
			}
		}
		return hit
	}
	require.NotEmpty(t, victims(dir))
	assert.Equal(t, victims(dir), victims(again))
	rec, err := reports.Open(again)
	require.NoError(t, err)
	assert.Equal(t, filepath.Base(dir), rec.Header.Replay)
}

func TestInterruptedOnceARunJudgesAndLeaves(t *testing.T) {
	for name, with := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			runs := filepath.Join(t.TempDir(), "runs")
			s := start(t, "run", "testdata/small.yaml", "--runs", runs)
			s.until(t, "steady")
			cluster := clusterOf(t, s)
			s.signal(t, with)
			assert.Equal(t, 3, s.code(t), s.said())
			_, v := one(t, runs)
			assert.Equal(t, reports.Inconclusive, v.Outcome)
			assert.Contains(t, s.stdout.String(), "INCONCLUSIVE")
			nothingLeft(t, cluster)
		})
	}
}

func TestInterruptedInTheSecondFileARunKeepsWhatTheFirstProved(t *testing.T) {
	inJSON := filepath.Join(t.TempDir(), "v.json")
	broken := variant(t, "", "fault.lost <= 10", "fault.lost < 0", "recovery: 8s", "recovery: 4s")
	s := start(t, "run", broken, "testdata/small.yaml", variant(t, ""), "--runs", filepath.Join(t.TempDir(), "runs"), "--json", inJSON)
	s.until(t, "steady")
	s.until(t, " down")
	s.until(t, "steady")
	cluster := clusterOf(t, s)
	s.signal(t, syscall.SIGINT)
	assert.Equal(t, 1, s.code(t), s.said())
	assert.NotContains(t, s.said(), "squall: error", "the third is not begun")
	text, err := os.ReadFile(inJSON)
	require.NoError(t, err)
	var said []reports.Verdict
	require.NoError(t, json.Unmarshal(text, &said))
	require.Len(t, said, 3)
	assert.Equal(t, []reports.Outcome{reports.Fail, reports.Inconclusive, reports.Inconclusive},
		[]reports.Outcome{said[0].Outcome, said[1].Outcome, said[2].Outcome})
	nothingLeft(t, cluster)
}

func TestInterruptedTwiceARunLeavesAtOnce(t *testing.T) {
	s := start(t, "run", "testdata/small.yaml", "--runs", filepath.Join(t.TempDir(), "runs"))
	s.until(t, "steady")
	cluster := clusterOf(t, s)
	s.signal(t, syscall.SIGINT)
	s.until(t, "once more to leave at once")
	s.signal(t, syscall.SIGINT)
	began := time.Now()
	assert.Equal(t, 3, s.code(t), s.said())
	assert.Less(t, time.Since(began), 2*time.Second)
	nothingLeft(t, cluster)
}

func TestKilledARunLeavesNothing(t *testing.T) {
	for _, moment := range []string{"containerd listens", "deploy", "fault"} {
		t.Run(moment, func(t *testing.T) {
			runs := filepath.Join(t.TempDir(), "runs")
			s := start(t, "run", "testdata/small.yaml", "--runs", runs)
			s.until(t, moment)
			cluster := clusterOf(t, s)
			s.signal(t, syscall.SIGKILL)
			s.code(t)
			nothingLeft(t, cluster)
			for _, dir := range records(t, runs) {
				stdout, _ := squall(t, 3, "judge", dir)
				assert.Contains(t, stdout, "INCONCLUSIVE", "what there is can be judged, and is no pass")
			}
		})
	}
}

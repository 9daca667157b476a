package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios/plan"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The limits of Wilson's interval are the shares p from which good/n is 1.96
// standard errors of p away.
func TestWilsonSolvesItsEquation(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]int{{0, 1}, {1, 1}, {1, 2}, {3, 5}, {38, 40}, {40, 40}, {7, 1000}} {
		good, n := c[0], c[1]
		share := float64(good) / float64(n)
		least, most := wilson(good, n)
		require.LessOrEqual(t, least, share)
		require.GreaterOrEqual(t, most, share)
		for _, p := range []float64{least, most} {
			if off := math.Abs(share - p); off > 1e-9 { // a share of 0 or 1 is its own limit
				assert.InDelta(t, 1.959964, off/math.Sqrt(p*(1-p)/float64(n)), 1e-6, "%d of %d: %g", good, n, p)
			}
		}
		assert.Greater(t, most-least, 0.0)
	}
	least, most := wilson(40, 40)
	assert.InDelta(t, 0.9124, least, 5e-5) // n/(n+z²)
	assert.Equal(t, 1.0, most)
	least, most = wilson(0, 0)
	assert.Equal(t, []float64{0, 1}, []float64{least, most}, "nothing is known")
}

// kill and off are cases.
func kill() oracleCase { return oracleCase{Kind: "pod-kill", Timers: "fast"} }
func off() oracleCase  { return oracleCase{Kind: "node-power-off", Timers: "fast"} }

// window is a reading, in seconds.
func window(measure string, least, most, measured float64) reports.Predicted {
	offset := func(s float64) reports.Offset { return time.Duration(s * float64(time.Second)) }
	took := offset(measured)
	return reports.Predicted{
		Measure: measure, Least: offset(least), Most: offset(most), Measured: &took, Inside: least <= measured && measured <= most,
		Terms: []reports.PredictedTerm{{Name: "a term", Least: offset(least), Most: offset(most), From: "a flag"}},
	}
}

// ran is a conclusive run.
func ranOracle(k oracleCase, seed uint64, detected, withdrawn, healed float64) oracleRun {
	return oracleRun{oracleCase: k, Seed: seed, Kubernetes: "v1.36.3", Provider: "embedded", SideBySide: 3, Outcome: reports.Pass,
		Readings: []reports.Predicted{window("detected", 0, 1, detected), window("withdrawn", 0, 2, withdrawn), window("healed", 2, 6, healed)}}
}

func TestOracleTable(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "No run yet.\n", oracleTable(nil))

	lost := oracleRun{oracleCase: kill(), Seed: 9, SideBySide: 3, Outcome: reports.Inconclusive, Reasons: []string{"the generator was late"},
		Readings: []reports.Predicted{window("detected", 0, 1, 77)}}
	failed := ranOracle(kill(), 3, 0.3, 0.6, 5)
	failed.Outcome = reports.Fail
	unread := oracleRun{oracleCase: off(), Seed: 1, SideBySide: 3, Outcome: reports.Pass, Unpredicted: "the flags were not read"}
	got := oracleTable([]oracleRun{ranOracle(kill(), 1, 0.1, 0.2, 3), ranOracle(kill(), 2, 0.2, 0.4, 7), failed, lost, unread})
	const want = `| fault | timers | measure | runs | inside | share (95 %) | measured: least, median, largest | window |
| --- | --- | --- | --- | --- | --- | --- | --- |
| node-power-off | fast | detected | 1 | 0 | 0.0 % (0.0 to 79.3 %) | – | – |
| node-power-off | fast | withdrawn | 1 | 0 | 0.0 % (0.0 to 79.3 %) | – | – |
| node-power-off | fast | healed | 1 | 0 | 0.0 % (0.0 to 79.3 %) | – | – |
| node-power-off | fast | all three | 1 | 0 | 0.0 % (0.0 to 79.3 %) |  |  |
| pod-kill | fast | detected | 3 | 3 | 100.0 % (43.9 to 100.0 %) | 100ms, 200ms, 300ms | 0s to 1.00s |
| pod-kill | fast | withdrawn | 3 | 3 | 100.0 % (43.9 to 100.0 %) | 200ms, 400ms, 600ms | 0s to 2.00s |
| pod-kill | fast | healed | 3 | 2 | 66.7 % (20.8 to 93.9 %) | 3.00s, 5.00s, 7.00s | 2.00s to 6.00s |
| pod-kill | fast | all three | 3 | 2 | 66.7 % (20.8 to 93.9 %) |  |  |

The interval is Wilson's score interval. Without a shifted flag 8 of 12 readings lay inside, and of 4 runs 2 with all of theirs: 50.0 % (15.0 to 85.0 %).
Clusters: embedded v1.36.3; at once: 3.

Readings outside, and the term that was wrong (4):

- pod-kill, fast timers, seed 2: healed in 7.00s, 1.00s too late: a term (a flag) would have to be at least 7.00s and not 2.00s to 6.00s
- node-power-off, fast timers, seed 1: detected: nothing was predicted: the flags were not read
- node-power-off, fast timers, seed 1: withdrawn: nothing was predicted: the flags were not read
- node-power-off, fast timers, seed 1: healed: nothing was predicted: the flags were not read

Runs that showed nothing, and count for nothing above (1):

- pod-kill, fast timers, seed 9: inconclusive: the generator was late
`
	assert.Equal(t, want, got)
}

// A run that was judged again counts as it was judged last, and the share from
// before is told beside. Runs with a shifted flag are in no share of the others.
func TestOracleTableOfRunsJudgedAgain(t *testing.T) {
	t.Parallel()
	again := ranOracle(kill(), 1, 0.1, 0.2, 3)
	again.Again = true
	shifted := ranOracle(oracleCase{Kind: "pod-kill", Timers: "fast", Shift: "some-flag=1"}, 1, 3, 3, 9)
	got := oracleTable([]oracleRun{ranOracle(kill(), 1, 0.1, 0.2, 7), again, shifted})
	assert.Contains(t, got, "| pod-kill | fast | healed | 1 | 1 |")
	assert.Contains(t, got, "| pod-kill | fast, in truth `some-flag=1` | all three | 1 | 0 |")
	assert.Contains(t, got, "Without a shifted flag 3 of 3 readings lay inside, and of 1 runs 1 with all of theirs: 100.0 %")
	assert.Contains(t, got, "As they were judged when they were made, 2 of 3 readings lay inside, and of 1 runs 0 with all of theirs: 0.0 %")
	assert.Contains(t, got, "- pod-kill, fast timers, in truth --some-flag=1, seed 1: detected in 3.00s, 2.00s too late")
}

func TestOracleFileIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "runs.jsonl")
	file, runs, err := openOracleFile(name)
	require.NoError(t, err)
	assert.Empty(t, runs)
	first, second := ranOracle(kill(), 1, 0.1, 0.2, 3), ranOracle(off(), 7, 0.1, 0.2, 3)
	require.NoError(t, keepOracleRun(file, first))
	require.NoError(t, keepOracleRun(file, second))
	_, err = file.WriteString(`{"kind":"pod-kill","se`) // killed as it wrote
	require.NoError(t, err)
	require.NoError(t, file.Close())

	file, runs, err = openOracleFile(name)
	require.NoError(t, err)
	assert.Equal(t, []oracleRun{first, second}, runs)
	third := ranOracle(kill(), 2, 0.1, 0.2, 3)
	require.NoError(t, keepOracleRun(file, third))
	require.NoError(t, file.Close())
	file, runs, err = openOracleFile(name)
	require.NoError(t, err)
	assert.Equal(t, []oracleRun{first, second, third}, runs, "the half line is gone")
	require.NoError(t, file.Close())

	require.NoError(t, os.WriteFile(name, []byte("{\"kind\":\"pod-kill\"}\n{\"colour\":1}\n{}"), 0o600))
	_, _, err = openOracleFile(name)
	require.ErrorContains(t, err, "runs.jsonl:2: no run of this bench")
	kept, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "{\"kind\":\"pod-kill\"}\n{\"colour\":1}\n{}", string(kept), "what is not understood is left as it is")
}

func TestOracleRunsThatAreMissing(t *testing.T) {
	t.Parallel()
	set := oracleSet{kill(), 3}
	assert.Equal(t, []uint64{5, 6, 7}, set.missing(nil, 5))
	vague := oracleRun{oracleCase: kill(), Seed: 6, Outcome: reports.Inconclusive}
	runs := []oracleRun{ranOracle(kill(), 5, 0, 0, 3), vague, ranOracle(off(), 7, 0, 0, 3), ranOracle(oracleCase{"pod-kill", "fast", "a=1"}, 7, 0, 0, 3)}
	assert.Equal(t, []uint64{7, 8}, set.missing(runs, 5), "another stands for the inconclusive one; other cases do not count")
	again := runs[0]
	again.Again = true
	assert.Equal(t, []uint64{7, 8}, set.missing(append(runs, again), 5), "judged twice is one run")
	for seed := uint64(7); seed < 10; seed++ {
		vague.Seed = seed
		runs = append(runs, vague)
	}
	assert.Equal(t, []uint64{10}, set.missing(runs, 5), "six in all, of which one is left")
	vague.Seed = 10
	assert.Empty(t, set.missing(append(runs, vague), 5), "no more than twice as many as asked for")

	slow := oracleCase{Kind: "node-power-off", Timers: "stock"}
	jobs, about := oracleJobs([]oracleSet{{slow, 2}, {off(), 1}, {kill(), 2}}, nil, 1, 2)
	assert.Equal(t, []oracleJob{{slow, 1}, {slow, 2}, {off(), 1}, {kill(), 1}, {kill(), 2}}, jobs, "those with the same timers take turns")
	assert.Equal(t, slow.length()+max(off().length(), 2*kill().length()), about, "two places")
}

func TestOracleSetsBeginWithTheLongest(t *testing.T) {
	t.Parallel()
	b := oracleBench{kinds: oracleKinds(), each: 40, stock: 5}
	var names []string
	for _, s := range b.sets() {
		names = append(names, fmt.Sprintf("%d %s", s.runs, s.oracleCase))
	}
	assert.Equal(t, []string{"5 node-power-off, stock timers", "40 node-stop, fast timers", "40 node-power-off, fast timers", "40 pod-kill, fast timers"}, names)
}

// Every scenario of the bench is a valid one, whose fault comes within the periods,
// lasts as long as is said, and is another for another seed.
func TestOracleScenarios(t *testing.T) {
	t.Parallel()
	for _, k := range []oracleCase{kill(), off(), {"node-stop", "fast", ""}, {"node-power-off", "stock", ""}, {"node-stop", "fast", "node-monitor-grace-period=25s"}} {
		delays, victims := map[time.Duration]bool{}, map[string]bool{}
		for seed := range uint64(20) {
			f, err := k.scenario(seed)
			require.NoError(t, err, "%s, seed %d", k, seed)
			p, err := plan.Make(f.Scenario, seed, "test", false)
			require.NoError(t, err)
			event := p.Events[0]
			assert.Equal(t, k.delay(seed), event.At-3*time.Second)
			delays[k.delay(seed)] = true
			victims[fmt.Sprint(event.Candidates[0])] = true
			assert.Equal(t, cluster.Timers(k.Timers), cluster.Timers(f.Scenario.Spec.Cluster.Timers))
			if k.Kind != "pod-kill" {
				assert.Equal(t, k.lasts(), f.Scenario.Spec.Timeline[0].For)
			}
		}
		assert.Greater(t, len(delays), 15, "%s", k)
		assert.Len(t, victims, 2, "%s: of two pods or nodes each is drawn", k)
	}
}

// What is shifted reaches the cluster, and the oracle is told what the cluster
// would have had.
func TestOracleShift(t *testing.T) {
	t.Parallel()
	k := oracleCase{"node-stop", "fast", "node-monitor-grace-period=25s"}
	f, err := k.scenario(1)
	require.NoError(t, err)
	assert.Equal(t, "25s", string(f.Scenario.Spec.Cluster.Flags["kube-controller-manager"]["node-monitor-grace-period"]))
	assert.Equal(t, oracleCase{"node-stop", "fast", ""}.lasts()+25*time.Second, k.lasts(), "healing comes later, too")
	told, err := k.told()
	require.NoError(t, err)
	assert.Equal(t, []string{"--instead", "kube-controller-manager/node-monitor-grace-period=10s"}, told)
	started := map[string]map[string]string{"kube-controller-manager": {"node-monitor-grace-period": "25s", "a": "1", "b": "2"}}
	require.NoError(t, sayInstead(started, told[1]))
	require.NoError(t, sayInstead(started, "kube-controller-manager/b"))
	assert.Equal(t, map[string]string{"node-monitor-grace-period": "10s", "a": "1"}, started["kube-controller-manager"])
	require.ErrorContains(t, sayInstead(started, "kubelet/a=1"), "a component that runs here")

	told, err = oracleCase{"node-stop", "stock", "concurrent-gc-syncs=1"}.told()
	require.NoError(t, err)
	assert.Equal(t, []string{"--instead", "kube-controller-manager/concurrent-gc-syncs"}, told, "a flag that clusters are not given")
	told, err = kill().told()
	require.NoError(t, err)
	assert.Empty(t, told)
}

func TestOracleRunsSideBySide(t *testing.T) {
	t.Parallel()
	jobs := []oracleJob{{kill(), 1}, {kill(), 2}, {kill(), 3}, {kill(), 4}, {kill(), 5}}
	make5 := func(t *testing.T, ctx context.Context, n int, once func(context.Context, oracleJob) (oracleRun, error)) (seeds []uint64, most int, err error) {
		var mu sync.Mutex
		running := 0
		err = sideBySide(ctx, n, jobs, func(ctx context.Context, job oracleJob) (oracleRun, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			defer func() { mu.Lock(); running--; mu.Unlock() }()
			return once(ctx, job)
		}, func(_ int, run oracleRun) error {
			seeds = append(seeds, run.Seed)
			return nil
		})
		return seeds, most, err
	}
	slow := func(ctx context.Context, job oracleJob) (oracleRun, error) {
		select {
		case <-time.After(time.Duration(job.seed) * time.Second):
			return ranOracle(job.oracleCase, job.seed, 0, 0, 3), nil
		case <-ctx.Done():
			return oracleRun{Seed: job.seed, Outcome: reports.Inconclusive}, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		seeds, most, err := make5(t, t.Context(), 3, slow)
		require.NoError(t, err)
		assert.ElementsMatch(t, []uint64{1, 2, 3, 4, 5}, seeds)
		assert.Equal(t, 3, most)
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		seeds, _, err := make5(t, ctx, 2, slow)
		require.NoError(t, err)
		assert.Equal(t, []uint64{1}, seeds, "what was cut short is not kept")
	})
	synctest.Test(t, func(t *testing.T) {
		seeds, _, err := make5(t, t.Context(), 1, func(ctx context.Context, job oracleJob) (oracleRun, error) {
			if job.seed == 3 {
				return oracleRun{}, errors.New("no cluster here")
			}
			return slow(ctx, job)
		})
		require.ErrorContains(t, err, "no cluster here")
		assert.Equal(t, []uint64{1, 2}, seeds, "no more are begun")
	})
}

func TestBenchOracleShowsWhatThereIsAndRunsNothingAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "runs.jsonl")
	file, _, err := openOracleFile(name)
	require.NoError(t, err)
	require.NoError(t, keepOracleRun(file, ranOracle(kill(), 1, 0.1, 0.2, 3)))
	require.NoError(t, file.Close())
	code, stdout, stderr := runApp(t, "bench", "oracle", "--kinds", "pod-kill", "--runs-each", "1", "--file", name, "--runs", filepath.Join(dir, "runs"))
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "| pod-kill | fast | healed | 1 | 1 | 100.0 % (20.7 to 100.0 %) | 3.00s, 3.00s, 3.00s | 2.00s to 6.00s |")
	assert.Empty(t, stderr)
}

// The runs are judged again from their records, by the oracle as it is now.
func TestBenchOracleJudgesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "runs.jsonl")
	require.NoError(t, os.CopyFS(filepath.Join(dir, "runs", "one"), os.DirFS("testdata/run")))
	was, gone := ranOracle(kill(), 1, 0.1, 0.2, 3), ranOracle(kill(), 2, 0.1, 0.2, 3)
	was.Record, gone.Record = "one", "none"
	file, _, err := openOracleFile(name)
	require.NoError(t, err)
	require.NoError(t, keepOracleRun(file, was))
	require.NoError(t, keepOracleRun(file, gone))
	require.NoError(t, file.Close())
	args := []string{"bench", "oracle", "--again", "--file", name, "--runs", filepath.Join(dir, "runs")}
	code, stdout, stderr := runApp(t, args...)
	assert.Zero(t, code, stderr)
	assert.Equal(t, "1 runs were judged again, 1 otherwise than before; of 1 there is no record\n", stderr)
	assert.Contains(t, stdout, "As they were judged when they were made")
	file, runs, err := openOracleFile(name)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Len(t, runs, 3)
	assert.True(t, runs[2].Again)
	assert.Empty(t, runs[2].Readings, "the record is from before timers were read")
	_, _, stderr = runApp(t, args...)
	assert.True(t, strings.HasPrefix(stderr, "1 runs were judged again, 0 otherwise than before"), stderr)
}

func TestBenchOracleRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	code, _, stderr := runApp(t, "bench", "oracle", "--kinds", "pod-kill,pod-kill,flood", "--runs-each", "0", "--stock", "0", "--side-by-side", "9",
		"--on", "moon", "--runs", "", "--file", "", "--shift", "grace")
	assert.Equal(t, exitMisuse, code)
	for _, want := range []string{`--kinds "pod-kill": each once`, `--kinds "flood"`, "--runs-each 0 --stock 0", "--side-by-side 9: 1 to 8", `"moon"`,
		"--runs needs a folder", "--file needs a file", `--shift "grace" is not FLAG=VALUE`} {
		assert.Contains(t, stderr, want)
	}
}

package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// generatorOf is what a verdict says of the generator in a window.
func generatorOf(t *testing.T, v reports.Verdict, window string) reports.GeneratorMeasure {
	t.Helper()
	for _, g := range v.Generators {
		if g.Window == window {
			assert.Equal(t, "browse", g.Load)
			return g
		}
	}
	require.Fail(t, "nothing is said of the generator", window)
	return reports.GeneratorMeasure{}
}

func TestErrorsOfTheOwnHostProveNothing(t *testing.T) {
	for _, kind := range []string{"no free port", "too many open files", "out of memory"} {
		s, rec := podKill(example()...), soundRun()
		for _, e := range rec.rec.Entries {
			if e.Request != nil && e.At >= faultAt+sec {
				e.Request.Error, e.Request.Code = kind, 0
				break
			}
		}
		v := judge.Judge(s, &rec.rec)
		assert.Equal(t, reports.Inconclusive, v.Outcome)
		assert.Equal(t, []string{`load "browse" in phase "fault": 1 requests failed on the generator's own host: ` + kind}, v.Reasons)
		assert.Contains(t, v.Reason, "give the client host more of it, or send less load, and run it again")
		assert.Equal(t, map[string]uint64{kind: 1}, generatorOf(t, v, "fault").Errors)
		assert.Nil(t, generatorOf(t, v, "steady").Errors)
	}
}

func TestErrorsAreCountedByKind(t *testing.T) {
	kinds := []struct{ reason, kind string }{
		{"connection refused", "refused"}, {"connection reset", "reset"}, {"connection closed", "closed"}, {"timeout", "timeout"},
		{"connect timeout", "timeout"}, {"host unreachable", "unreachable"}, {"interrupted", "interrupted"}, {"tls: certificate expired", "TLS"},
		{"name not resolved: no such host", "DNS"}, {"malformed HTTP response", "other"},
	}
	s, rec := podKill(example()...), soundRun()
	want, next := map[string]uint64{}, 0
	for _, e := range rec.rec.Entries {
		if e.Request == nil || e.At < faultAt || next == len(kinds) {
			continue
		}
		e.Request.Error, e.Request.Code = kinds[next].reason, 0
		want[kinds[next].kind]++
		next++
	}
	v := judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Pass, v.Outcome, "they are the system's: %v", v.Reasons)
	assert.Equal(t, want, generatorOf(t, v, "fault").Errors)
	assert.Equal(t, want, generatorOf(t, v, "run").Errors)
}

func TestPausesAreOfThePhaseInWhichTheyEnd(t *testing.T) {
	s, rec := podKill(example()...), soundRun()
	v := judge.Judge(s, &rec.rec)
	assert.Nil(t, generatorOf(t, v, "run").Pauses, "a record from before does not tell")
	assert.Nil(t, generatorOf(t, v, "run").CPU)

	cpu := 3 * time.Second
	for _, e := range rec.rec.Entries {
		if e.Load != nil {
			e.Load.CPU = cpu
		}
	}
	tell := func(at time.Duration, pauses ...reports.Pause) {
		rec.add(at, reports.Entry{Kind: reports.KindGenerator, Generator: &reports.GeneratorEntry{Load: "browse", Pauses: pauses}})
	}
	tell(faultAt+sec, reports.Pause{At: faultAt - 1, Took: 5 * ms}, reports.Pause{At: faultAt, Took: 2 * ms}, reports.Pause{At: faultAt + ms, Took: 3 * ms})
	tell(faultAt + 2*sec)
	v = judge.Judge(s, &rec.rec)
	assert.Equal(t, reports.Pass, v.Outcome, v.Reasons)
	assert.Equal(t, &reports.Pauses{Count: 1, Total: 5 * ms, Longest: 5 * ms}, generatorOf(t, v, "steady").Pauses)
	assert.Equal(t, &reports.Pauses{Count: 2, Total: 5 * ms, Longest: 3 * ms}, generatorOf(t, v, "fault").Pauses)
	assert.Equal(t, &reports.Pauses{Count: 3, Total: 10 * ms, Longest: 5 * ms}, generatorOf(t, v, "run").Pauses)
	assert.Equal(t, &reports.Pauses{}, generatorOf(t, v, "recovery").Pauses, "none is known")
	assert.Equal(t, &cpu, generatorOf(t, v, "run").CPU)
	assert.Nil(t, generatorOf(t, v, "fault").CPU)

	rec.add(faultAt, reports.Entry{Kind: reports.KindGenerator, Generator: &reports.GeneratorEntry{Load: "other"}})
	assert.Contains(t, judge.Judge(s, &rec.rec).Reasons[0], `a load "other" that the scenario has not`)
}

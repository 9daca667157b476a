package reports_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"squall/reports"
	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLatenciesAreMergedAndReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	merged := reports.NewLatencies()
	for second := range 20 {
		one := reports.NewLatencies()
		for range 100 + second {
			d := time.Duration(r.ExpFloat64() * float64(20*time.Millisecond))
			all = append(all, d)
			one.Add(d)
		}
		entry, err := one.Entry("browse", true, sample.Degraded)
		require.NoError(t, err)
		assert.EqualValues(t, 100+second, entry.Count)
		assert.Less(t, len(entry.Histogram), 1000)
		back, err := entry.Latencies()
		require.NoError(t, err)
		merged.Merge(back)
	}
	slices.Sort(all)
	require.EqualValues(t, len(all), merged.Count())
	for _, percent := range []float64{1, 50, 90, 99, 99.9, 100} {
		exact := all[max(0, int(percent*float64(len(all))/100+0.999999)-1)]
		assert.InDelta(t, exact, merged.Quantile(percent), float64(exact)/1000+float64(time.Microsecond), "p%v", percent)
	}
	merged.Reset()
	assert.Zero(t, merged.Count())
	assert.Zero(t, merged.Quantile(99))
}

func TestLatenciesAtTheirEnds(t *testing.T) {
	l := reports.NewLatencies()
	l.Add(-time.Second)
	l.Add(5 * time.Hour)
	assert.EqualValues(t, 2, l.Count())
	assert.Zero(t, l.Quantile(50))
	assert.InDelta(t, time.Hour, l.Quantile(100), float64(5*time.Second))
}

func TestBadLatenciesAreSaid(t *testing.T) {
	l := reports.NewLatencies()
	l.Add(time.Millisecond)
	good, err := l.Entry("browse", true, 0)
	require.NoError(t, err)
	for _, spoil := range []func(*reports.LatenciesEntry){
		func(e *reports.LatenciesEntry) { e.Histogram = "x" },
		func(e *reports.LatenciesEntry) { e.Histogram = "" },
		func(e *reports.LatenciesEntry) { e.Histogram = e.Histogram[:len(e.Histogram)/2] },
		func(e *reports.LatenciesEntry) { e.Count++ },
	} {
		bad := *good
		spoil(&bad)
		_, err := bad.Latencies()
		assert.ErrorContains(t, err, `read latencies of load "browse"`)
	}
}

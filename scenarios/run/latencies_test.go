package run

import (
	"testing"
	"time"

	"squall/reports"
	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// histogrammed sums the counts of entries by load, second and outcome, and holds
// that each can be read.
func histogrammed(t *testing.T, entries []reports.Entry) map[outcome]uint64 {
	t.Helper()
	counts := map[outcome]uint64{}
	for _, e := range entries {
		require.Equal(t, reports.KindLatencies, e.Kind)
		require.Equal(t, "browse", e.Latencies.Load)
		_, err := e.Latencies.Latencies()
		require.NoError(t, err)
		counts[outcome{int64(e.At / time.Second), e.Latencies.Good, e.Latencies.Class}] += e.Latencies.Count
	}
	return counts
}

func TestLatenciesHoldEveryResultOnce(t *testing.T) {
	l := latencies{load: "browse"}
	var entries []reports.Entry
	want := map[outcome]uint64{}
	most := 0
	for i := range 1500 {
		due := 5*time.Second + time.Duration(i)*10*time.Millisecond
		took, good := time.Duration(i%50)*time.Millisecond, true
		if i%100 < 50 { // some are answered much later, as after a freeze
			took, good = 0, false
			due -= min(due, time.Duration(i%61)*time.Second)
		}
		a := &sample.Answer{Code: 200, Class: sample.Class(i % 2)}
		entries = append(entries, l.add(sample.Sample{Due: due, Done: due + took, Answer: a}, good)...)
		want[outcome{int64(due / time.Second), good, a.Class}]++
		most = max(most, len(l.open)+len(l.spare))
	}
	assert.LessOrEqual(t, len(l.open), maxOpen)
	assert.LessOrEqual(t, most, maxOpen, "histograms in memory")
	entries = append(entries, l.rest()...)
	assert.Equal(t, want, histogrammed(t, entries))
	assert.Empty(t, l.open)
	assert.Empty(t, l.rest())
}

func TestASecondIsCompleteSoon(t *testing.T) {
	l := latencies{load: "browse"}
	at := func(d time.Duration) []reports.Entry {
		return l.add(sample.Sample{Due: d, Done: d + time.Millisecond, Answer: &sample.Answer{}}, true)
	}
	assert.Empty(t, at(5*time.Second))
	assert.Empty(t, at(7900*time.Millisecond))
	first := at(8 * time.Second)
	assert.Equal(t, map[outcome]uint64{{5, true, 0}: 1}, histogrammed(t, first))
	assert.Equal(t, 5*time.Second, first[0].At)
	got, err := first[0].Latencies.Latencies()
	require.NoError(t, err)
	assert.Equal(t, time.Millisecond, got.Quantile(50))
	assert.Empty(t, at(5500*time.Millisecond), "a late one opens its second again")
	assert.Equal(t, map[outcome]uint64{{5, true, 0}: 1}, histogrammed(t, at(9*time.Second)))
}

func TestTheLastSecondIsShown(t *testing.T) {
	tally := newTally()
	c := &conductor{loads: []*generator{{}}}
	c.loads[0].tally.latencies.load = "browse"
	room := reports.NewLatencies()
	assert.Zero(t, c.recentP99(room))
	due := 6 * time.Second
	for _, took := range []time.Duration{time.Millisecond, 40 * time.Millisecond} {
		c.loads[0].tally.load = tally.load
		c.loads[0].tally.add(sample.Sample{Due: due, Done: due + took, Answer: &sample.Answer{Code: 200}})
	}
	assert.InDelta(t, 40*time.Millisecond, c.recentP99(room), float64(50*time.Microsecond))
	assert.Zero(t, c.recentP99(room), "each answer is looked at once")
}

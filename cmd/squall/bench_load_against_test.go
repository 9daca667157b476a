package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTruthIsByTheScheduleAndTheServer(t *testing.T) {
	t.Parallel()
	const began = 1_000_000
	seen := &target{answered: map[uint64]int64{}}
	assert.Zero(t, seen.truth(began, 100))
	for seq := range uint64(98) { // due every 10 ms, answered 1 ms later
		seen.answered[seq] = began + int64(seq)*int64(10*time.Millisecond) + int64(time.Millisecond)
	}
	seen.answered[98] = began + int64(2*time.Second)
	seen.answered[99] = began + int64(3*time.Second)
	assert.Equal(t, 2*time.Second-980*time.Millisecond, seen.truth(began, 100))
}

func TestQuantilesAreByNearestRank(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i))
	}
	assert.Equal(t, time.Duration(198), p99(all))
	assert.Equal(t, time.Duration(7), p99([]time.Duration{7}))
}

func TestBenchLoadComparesWithVegetaAlone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--against", "wrk"}, {"--against", "vegeta", "--rounds", "0"}} {
		code, _, stderr := runApp(t, append([]string{"bench", "load"}, args...)...)
		assert.Equal(t, exitMisuse, code)
		assert.Contains(t, stderr, "it is vegeta, and at least one round")
	}
}

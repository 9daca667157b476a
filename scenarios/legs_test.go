package scenarios_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"squall/scenarios"
	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLegsAreTheScenariosMomentsAndRates(t *testing.T) {
	t.Parallel()
	file, err := scenarios.LoadFile("testdata/valid/legs.yaml")
	require.NoError(t, err)
	s := file.Scenario
	const sec = time.Second
	assert.Equal(t, []schedule.Leg{
		{Until: 10 * sec, From: 20_000, To: 20_000},
		{Until: 15 * sec, From: 20_000, To: 120_500},
		{Until: 20 * sec, From: 120_000, To: 120_000},
		{Until: 40 * sec, From: 20_000, To: 20_000},
	}, s.Spec.Phases.Legs(s.Spec.Load[0].Rate))
	assert.Equal(t, []schedule.Leg{
		{Until: 1500 * time.Millisecond},
		{Until: 21 * sec, To: 10_000},
		{Until: 40 * sec, From: 10_000},
	}, s.Spec.Phases.Legs(s.Spec.Load[1].Rate))
	assert.Equal(t, schedule.Hold(7500, 40*sec), s.Spec.Phases.Legs(scenarios.Pace{Rate: 7.5}))
}

func TestCalmHoldsTheRateAtTheStartOfSteady(t *testing.T) {
	t.Parallel()
	file, err := scenarios.LoadFile("testdata/valid/legs.yaml")
	require.NoError(t, err)
	for i, want := range []scenarios.Rate{20, 0.769} { // 10/s · 1.5 s of 19.5 s
		load := file.Scenario.Spec.Load[i]
		calm, err := file.Scenario.PaceOf(load, true)
		require.NoError(t, err)
		assert.Equal(t, scenarios.Pace{Rate: want}, calm, load.Name)
		stormy, err := file.Scenario.PaceOf(load, false)
		require.NoError(t, err)
		assert.Equal(t, load.Rate, stormy)
	}
	plain := scenarios.Load{Rate: scenarios.Pace{Rate: 5}}
	calm, err := file.Scenario.PaceOf(plain, true)
	require.NoError(t, err)
	assert.Equal(t, plain.Rate, calm)
}

// FuzzLegs: whatever legs are accepted make a schedule that ends with the
// planned recovery and has requests.
func FuzzLegs(f *testing.F) {
	data, err := os.ReadFile("testdata/valid/legs.yaml")
	require.NoError(f, err)
	for _, legs := range []string{"5/s", "[{at: 5/s}]", "[{until: steady+1s, at: 5/s}, {to: 0/s}]", "[{until: warmup+1ns, at: 0/s}, {to: 20000/s}]", "[{at: 0/s}]"} {
		f.Add(legs)
	}
	f.Fuzz(func(t *testing.T, legs string) {
		text := strings.Replace(string(data), "[{until: fault+0s, at: 20/s}, {until: fault+5s, to: 120.5/s}, {until: fault+10s, at: 120/s}, {at: 20/s}]", legs, 1)
		file, err := scenarios.Parse("fuzz.yaml", []byte(text))
		if err != nil {
			return
		}
		s := file.Scenario
		readBack(t, s)
		for _, load := range s.Spec.Load {
			curve, err := schedule.New(s.Spec.Phases.Legs(load.Rate))
			require.NoError(t, err)
			assert.Equal(t, s.Spec.Phases.Total(), curve.End())
			assert.Positive(t, curve.Count(curve.End()))
		}
	})
}

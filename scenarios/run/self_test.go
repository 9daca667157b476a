package run

import (
	"testing"

	"squall/reports"
	"squall/workloads/traffic"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatAGeneratorTellsOfItselfIsRecorded(t *testing.T) {
	c := orderly(t)
	g, err := c.generator(c.scenario.Spec.Load[0])
	require.NoError(t, err)
	var got []reports.Entry
	for _, one := range []traffic.Self{{At: 7, Pauses: []traffic.Pause{{At: 5, Took: 2}}}, {At: 9}} {
		got = append(got, selfEntry(g, one))
	}
	assert.Equal(t, []reports.Entry{
		{At: 7, Kind: reports.KindGenerator, Generator: &reports.GeneratorEntry{Load: "browse", Pauses: []reports.Pause{{At: 5, Took: 2}}}},
		{At: 9, Kind: reports.KindGenerator, Generator: &reports.GeneratorEntry{Load: "browse"}},
	}, got)
}

func TestTheOwnHostsErrorsAreTheSameInTheRecord(t *testing.T) {
	assert.Equal(t, []string{traffic.NoFreePort, traffic.TooManyFiles, traffic.OutOfMemory},
		[]string{reports.NoFreePort, reports.TooManyFiles, reports.OutOfMemory}, "a verdict rests on them")
}

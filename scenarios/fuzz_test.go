package scenarios_test

import (
	"os"
	"testing"

	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParse: whatever the bytes, the answer is an error with a finding, or
// scenarios that are read back as the same.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		for _, file := range files(f, folder) {
			data, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := scenarios.Parse("fuzz.yaml", data)
		if err != nil {
			var invalid *scenarios.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.NotEmpty(t, invalid.Findings)
			assert.NotEmpty(t, err.Error())
			return
		}
		for _, s := range append([]*scenarios.Scenario{file.Scenario}, file.Twins...) {
			readBack(t, s)
		}
	})
}

// FuzzPatchPath: a path that is read is written as it was.
func FuzzPatchPath(f *testing.F) {
	for _, text := range []string{"workloads[shop].shop.replicas.catalog", `a["b.c"].d`, "a[b]c", "a[", "", `a["\x00\"]"]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := scenarios.ParsePatchPath(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, path)
		again, err := scenarios.ParsePatchPath(path.String())
		require.NoError(t, err)
		assert.Equal(t, path, again)
	})
}

// FuzzMoment: a moment that is read lies in a timed phase and is read back.
func FuzzMoment(f *testing.F) {
	for _, text := range []string{"fault+0s", "recovery+1h2m3.4s", "fault", "fualt+1s", "fault+-1s", "fault+9999999h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := scenarios.ParseMoment(text)
		if err != nil {
			return
		}
		assert.Contains(t, scenarios.PhaseNames(), m.Phase)
		assert.GreaterOrEqual(t, m.After.Nanoseconds(), int64(0))
		again, err := scenarios.ParseMoment(m.String())
		require.NoError(t, err)
		assert.Equal(t, m, again)
	})
}

// FuzzRate: a rate that is read is in bounds and is read back.
func FuzzRate(f *testing.F) {
	for _, text := range []string{"200/s", "0.001/s", "20000/s", "0/s", "1e9/s", "200", "NaN/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := scenarios.ParseRate(text)
		if err != nil {
			return
		}
		assert.Greater(t, float64(r), 0.0)
		assert.LessOrEqual(t, float64(r), float64(scenarios.MaxRate))
		again, err := scenarios.ParseRate(r.String())
		require.NoError(t, err)
		assert.InDelta(t, float64(r), float64(again), 0)
	})
}

// FuzzStatus: a set that is read is read back and holds at least one status.
func FuzzStatus(f *testing.F) {
	for _, text := range []string{"2xx", "200,204,3xx", "600", ",", "2XX", " 404 , 2xx"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scenarios.ParseStatus(text)
		if err != nil {
			return
		}
		again, err := scenarios.ParseStatus(string(s))
		require.NoError(t, err)
		assert.Equal(t, s, again)
		some := false
		for code := 100; code < 600; code++ {
			some = some || s.Has(code)
		}
		assert.True(t, some)
	})
}

package scenarios_test

import (
	"testing"
	"time"

	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseMoment(t *testing.T) {
	t.Parallel()
	m, err := scenarios.ParseMoment("fault+1m0.5s")
	require.NoError(t, err)
	assert.Equal(t, scenarios.Moment{Phase: "fault", After: 60*time.Second + 500*time.Millisecond}, m)
	assert.Equal(t, "fault+1m0.5s", m.String())
	for _, text := range []string{"", "fault", "fault+", "+1s", "fault+1", "fault-1s", "fault+-1s", "Fault+1s", "quiet+1s", "fault+1s+1s", "fault +1s", "fault+999999h"} {
		_, err := scenarios.ParseMoment(text)
		assert.Error(t, err, "%q", text)
	}
}

func TestOffsetCountsFromWarmup(t *testing.T) {
	t.Parallel()
	p := scenarios.Phases{Warmup: 3 * time.Second, Steady: 7 * time.Second, Fault: 10 * time.Second, Recovery: 20 * time.Second}
	at, ok := p.Offset(scenarios.Moment{Phase: "recovery", After: time.Second})
	assert.True(t, ok)
	assert.Equal(t, 21*time.Second, at)
	_, ok = p.Offset(scenarios.Moment{Phase: "quiet"})
	assert.False(t, ok)
	spans := p.Spans()
	require.Len(t, spans, 4)
	assert.Equal(t, scenarios.Span{Name: "fault", From: 10 * time.Second, To: 20 * time.Second}, spans[2])
	assert.Equal(t, p.Total(), spans[3].To)
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"200/s": 200, "0.5/s": 0.5, "0.001/s": 0.001, "20000/s": 20000, "007/s": 7} {
		r, err := scenarios.ParseRate(text)
		require.NoError(t, err, text)
		assert.InDelta(t, want, float64(r), 0)
	}
	assert.Equal(t, "0.5/s", scenarios.Rate(0.5).String())
	for _, text := range []string{"", "200", "200/m", "/s", "0/s", "0.0001/s", "0.000/s", "-1/s", "+1/s", "1e3/s", "20000.001/s", "20001/s", "1000000/s", "NaN/s", "Inf/s", "0x10/s", " 1/s", "1/s ", "1.5.5/s"} {
		_, err := scenarios.ParseRate(text)
		assert.Error(t, err, "%q", text)
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]scenarios.Status{"2xx": "2xx", "200": "200", " 404 ,2xx,404": "2xx,404", "100,599": "100,599"} {
		s, err := scenarios.ParseStatus(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, s)
	}
	for _, text := range []string{"", ",", "2xx,", "2XX", "2x", "99", "600", "6xx", "0xx", "200-299", "2xx 3xx"} {
		_, err := scenarios.ParseStatus(text)
		assert.Error(t, err, "%q", text)
	}
	s := scenarios.Status("204,3xx")
	for code, want := range map[int]bool{204: true, 200: false, 300: true, 399: true, 400: false, 0: false, -300: false, 3000: false, 3: false} {
		assert.Equal(t, want, s.Has(code), "%d", code)
	}
}

func TestParsePatchPath(t *testing.T) {
	t.Parallel()
	path, err := scenarios.ParsePatchPath(`workloads[my shop].shop.labels["a.b]"].x`)
	require.NoError(t, err)
	assert.Equal(t, scenarios.PatchPath{
		{Text: "workloads"}, {Text: "my shop", Bracket: true}, {Text: "shop"}, {Text: "labels"},
		{Text: "a.b]", Bracket: true, Quoted: true}, {Text: "x"},
	}, path)
	assert.Equal(t, `workloads[my shop].shop.labels["a.b]"].x`, path.String())
	for _, text := range []string{"", ".", "a.", ".a", "a..b", "[a]", "a[]", "a[b", "a]b", "a[b]c", "a[b[c]]", `a["b]`, `a[""]`, `a["b"`, `a["\q"]`, `a"b`} {
		_, err := scenarios.ParsePatchPath(text)
		assert.Error(t, err, "%q", text)
	}
}

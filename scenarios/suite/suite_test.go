package suite

import (
	"context"
	"errors"
	"slices"
	"testing"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/catalog"
	"squall/scenarios/run"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The twins of the shipped scenario, and what each of them is to break.
const (
	twinOne  = "one replica"
	twinBare = "bare pods"
)

// script makes runs without a cluster: it says what each one comes to.
type script struct {
	ran  []string
	says func(name string, calm bool, nth int) (reports.Verdict, error)
}

func (s *script) run(_ context.Context, one *scenarios.Scenario, o run.Options) (string, reports.Verdict, error) {
	name := one.Twin
	s.ran = append(s.ran, name)
	nth := 0
	for _, before := range s.ran {
		if before == name {
			nth++
		}
	}
	v, err := s.says(name, o.Calm, nth)
	if err != nil {
		return "", reports.Verdict{}, err
	}
	v.Scenario, v.Twin, v.Calm, v.Breaks = one.Metadata.Name, one.Twin, o.Calm, one.Breaks
	return "dir of " + name, v, nil
}

// asDesigned is the verdict of a run as it should be.
func asDesigned(name string, _ bool, _ int) (reports.Verdict, error) {
	yes := true
	if name == "" {
		return reports.Verdict{Outcome: reports.Pass}, nil
	}
	return reports.Verdict{Outcome: reports.Fail, Designed: &yes}, nil
}

func podKill(t *testing.T) *scenarios.File {
	t.Helper()
	f, err := catalog.Load("pod-kill")
	require.NoError(t, err)
	return f
}

func TestOrder(t *testing.T) {
	s := &script{says: asDesigned}
	got, err := start(t.Context(), podKill(t), Options{Twins: true}, s.run)
	require.NoError(t, err)
	assert.Equal(t, []string{"", twinOne, twinBare}, s.ran)
	assert.Equal(t, []string{"dir of ", "dir of " + twinOne, "dir of " + twinBare}, got.Dirs)
	assert.Zero(t, got.Code)

	s = &script{says: asDesigned}
	_, err = start(t.Context(), podKill(t), Options{}, s.run)
	require.NoError(t, err)
	assert.Equal(t, []string{""}, s.ran)
}

func TestTwinThatPassesIsRed(t *testing.T) {
	no := false
	s := &script{says: func(name string, calm bool, nth int) (reports.Verdict, error) {
		if name == twinBare {
			return reports.Verdict{Outcome: reports.Pass, Designed: &no}, nil
		}
		return asDesigned(name, calm, nth)
	}}
	got, err := start(t.Context(), podKill(t), Options{Twins: true}, s.run)
	require.NoError(t, err)
	assert.Equal(t, 1, got.Code)
}

func TestOnInconclusive(t *testing.T) {
	// The twin "one replica" is inconclusive in its first two attempts.
	says := func(name string, calm bool, nth int) (reports.Verdict, error) {
		if name == twinOne && nth <= 2 {
			return reports.Verdict{Outcome: reports.Inconclusive}, nil
		}
		return asDesigned(name, calm, nth)
	}
	for on, want := range map[string]struct {
		code, runs int
		repeated   []int
	}{
		"":         {3, 3, nil},
		"fail":     {1, 3, nil},
		"ignore":   {0, 3, nil},
		"retry:1":  {3, 4, []int{1}},
		"retry:2":  {0, 5, []int{1, 2}},
		"retry:9":  {0, 5, []int{1, 2}},
		"retry:10": {0, 5, []int{1, 2}},
	} {
		s := &script{says: says}
		got, err := start(t.Context(), podKill(t), Options{Twins: true, OnInconclusive: on}, s.run)
		require.NoError(t, err)
		assert.Equal(t, want.code, got.Code, on)
		assert.Len(t, got.Verdicts, want.runs, on)
		assert.Len(t, got.Dirs, want.runs, on)
		assert.Equal(t, want.repeated, got.Repeated, on)
		for i, v := range got.Verdicts {
			uncounted := slices.Contains(want.repeated, i) || on == "ignore" && v.Outcome == reports.Inconclusive
			assert.Equal(t, uncounted, v.Uncounted != "", "%s: %d", on, i)
		}
	}
	for _, wrong := range []string{"pass", "retry", "retry:", "retry:0", "retry:-1", "retry:11", "retry:x"} {
		assert.ErrorContains(t, CheckOnInconclusive(wrong), "allowed: fail, ignore, retry:N", wrong)
		s := &script{says: says}
		_, err := start(t.Context(), podKill(t), Options{OnInconclusive: wrong}, s.run)
		require.Error(t, err, wrong)
		assert.Empty(t, s.ran, wrong)
	}
}

func TestErrorEndsTheSuite(t *testing.T) {
	s := &script{says: func(name string, calm bool, nth int) (reports.Verdict, error) {
		if name == twinOne {
			return reports.Verdict{}, errors.New("no disk")
		}
		return asDesigned(name, calm, nth)
	}}
	got, err := start(t.Context(), podKill(t), Options{Twins: true}, s.run)
	require.EqualError(t, err, `scenario "pod-kill", twin "one replica": no disk`)
	assert.Equal(t, []string{"", twinOne}, s.ran)
	assert.Len(t, got.Verdicts, 1)
	assert.Equal(t, 4, got.Code)
	require.Len(t, got.Missing, 2, "what came to no verdict, and what was not run")
	assert.Equal(t, []string{twinOne, twinBare}, []string{got.Missing[0].Twin, got.Missing[1].Twin})
	assert.Equal(t, []reports.Outcome{reports.Error, reports.Inconclusive}, []reports.Outcome{got.Missing[0].Outcome, got.Missing[1].Outcome})
	assert.Contains(t, got.Missing[0].Reasons[0], "no disk")
	assert.Regexp(t, "^error: it came to no verdict: .*no disk; run it again\\.$", got.Missing[0].Reason)
	assert.Equal(t, "inconclusive: it was not run: the command ended before; run it again.", got.Missing[1].Reason)
	assert.Contains(t, got.Missing[1].Reasons[0], "was not run")
}

func TestUnfitHostIsInconclusive(t *testing.T) {
	errUnfit := errors.New("no memory")
	o := Options{Unfit: func(err error) bool { return errors.Is(err, errUnfit) }}
	for says, want := range map[error]struct {
		code    int
		outcome reports.Outcome
	}{errUnfit: {3, reports.Inconclusive}, errors.New("no idea"): {4, reports.Error}} {
		s := &script{says: func(string, bool, int) (reports.Verdict, error) { return reports.Verdict{}, says }}
		got, err := start(t.Context(), podKill(t), o, s.run)
		require.ErrorIs(t, err, says)
		assert.Equal(t, want.code, got.Code)
		require.Len(t, got.Missing, 1)
		assert.Equal(t, want.outcome, got.Missing[0].Outcome)
	}
}

func TestInterruptEndsTheSuite(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &script{says: func(string, bool, int) (reports.Verdict, error) {
		cancel()
		return reports.Verdict{Outcome: reports.Inconclusive}, nil
	}}
	got, err := start(ctx, podKill(t), Options{Twins: true, OnInconclusive: "ignore"}, s.run)
	require.NoError(t, err)
	assert.Equal(t, []string{""}, s.ran)
	assert.Equal(t, 3, got.Code, "what was never run is not ignored")
}

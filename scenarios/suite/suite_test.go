package suite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

// calmly is the verdict of a calm run in which these expectations are false.
func calmly(broken ...string) reports.Verdict {
	v := reports.Verdict{Outcome: reports.Pass}
	for _, name := range []string{"users barely notice", "healed", "replicas are back"} {
		held := true
		for _, f := range broken {
			held = held && f != name
		}
		v.Expect = append(v.Expect, reports.Finding{Name: name, Held: &held})
	}
	return v
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
		"":        {3, 3, nil},
		"fail":    {3, 3, nil},
		"ignore":  {0, 3, nil},
		"retry:1": {3, 4, []int{1}},
		"retry:2": {0, 5, []int{1, 2}},
		"retry:9": {0, 5, []int{1, 2}},
	} {
		s := &script{says: says}
		got, err := start(t.Context(), podKill(t), Options{Twins: true, OnInconclusive: on}, s.run)
		require.NoError(t, err)
		assert.Equal(t, want.code, got.Code, on)
		assert.Len(t, got.Verdicts, want.runs, on)
		assert.Len(t, got.Dirs, want.runs, on)
		assert.Equal(t, want.repeated, got.Repeated, on)
	}
	for _, wrong := range []string{"pass", "retry", "retry:", "retry:0", "retry:-1", "retry:x"} {
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

func TestCalmControl(t *testing.T) {
	says := func(name string, calm bool, _ int) (reports.Verdict, error) {
		require.True(t, calm)
		if name == twinBare {
			return calmly("replicas are back"), nil
		}
		return calmly(), nil
	}
	o := Options{Calm: true, Options: run.Options{Runs: t.TempDir(), Version: "v1", ProviderName: "embedded"}}
	s := &script{says: says}
	got, err := start(t.Context(), podKill(t), o, s.run)
	require.NoError(t, err)
	assert.Equal(t, []string{"", twinOne, twinBare}, s.ran)
	assert.Equal(t, map[string][]string{twinBare: {"replicas are back"}}, got.Vacuous)
	assert.Equal(t, 1, got.Code)

	// What was kept stands in for the runs, and tells a suite that is not calm.
	s = &script{says: says}
	again, err := start(t.Context(), podKill(t), o, s.run)
	require.NoError(t, err)
	assert.Empty(t, s.ran)
	assert.Equal(t, got, again)
	o.Calm, o.Twins = false, true
	s = &script{says: asDesigned}
	loud, err := start(t.Context(), podKill(t), o, s.run)
	require.NoError(t, err)
	assert.Len(t, s.ran, 3)
	assert.Equal(t, got.Vacuous, loud.Vacuous)
	assert.Equal(t, 1, loud.Code)

	// Another version of Squall, another provider: run again.
	for _, other := range []run.Options{
		{Runs: o.Runs, Version: "v2", ProviderName: "embedded"},
		{Runs: o.Runs, Version: "v1", ProviderName: "kind"},
	} {
		s = &script{says: says}
		_, err = start(t.Context(), podKill(t), Options{Calm: true, Options: other}, s.run)
		require.NoError(t, err)
		assert.Len(t, s.ran, 3)
	}
}

func TestCalmRepeatsWhatChangedOrProvedNothing(t *testing.T) {
	o := Options{Calm: true, Options: run.Options{Runs: t.TempDir()}}
	file := podKill(t)
	s := &script{says: func(name string, _ bool, _ int) (reports.Verdict, error) {
		if name == twinOne {
			return reports.Verdict{Outcome: reports.Inconclusive}, nil
		}
		return calmly(), nil
	}}
	got, err := start(t.Context(), file, o, s.run)
	require.NoError(t, err)
	assert.Equal(t, 3, got.Code)

	s = &script{says: func(string, bool, int) (reports.Verdict, error) { return calmly(), nil }}
	file.Twins[1].Spec.Phases.Warmup++ // another digest
	damaged := filepath.Join(o.Runs, "calm", file.Scenario.Digest()+".json")
	require.NoError(t, os.WriteFile(damaged, []byte("{"), 0o644))
	got, err = start(t.Context(), file, o, s.run)
	require.NoError(t, err)
	assert.Equal(t, []string{"", twinOne, twinBare}, s.ran)
	assert.Zero(t, got.Code)
	assert.Empty(t, got.Vacuous)
}

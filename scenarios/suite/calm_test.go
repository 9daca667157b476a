package suite

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"squall/reports"
	"squall/scenarios/run"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
	assert.Equal(t, got.Verdicts, again.Verdicts)
	assert.Equal(t, got.Vacuous, again.Vacuous)
	assert.Equal(t, []string{"replicas are back"}, again.Verdicts[2].Vacuous)
	assert.Equal(t, got.Code, again.Code)
	assert.Equal(t, []string{"", "", ""}, again.Dirs, "no record is there")
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

// TestKeptResultsAreNoPlaces has someone else write what is kept: squall may be
// root while the folder is a user's.
func TestKeptResultsAreNoPlaces(t *testing.T) {
	outside, runs := t.TempDir(), t.TempDir()
	for _, record := range []string{outside, filepath.Join(runs, "mine")} {
		require.NoError(t, os.MkdirAll(record, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(record, reports.FileRecord), nil, 0o644))
	}
	require.NoError(t, os.Symlink(outside, filepath.Join(runs, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(runs, "empty"), 0o755))
	k := keep{folder: runs}
	made, err := k.write("digest", filepath.Join(runs, "mine"), reports.Verdict{Calm: true})
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(runs, CalmFolder), filepath.Join(runs, CalmFolder, "digest.json")}, made)
	made, err = k.write("digest", filepath.Join(runs, "mine"), reports.Verdict{Calm: true})
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(runs, CalmFolder, "digest.json")}, made, "the folder was there")
	dir, _, ok := k.read("digest")
	assert.True(t, ok)
	assert.Equal(t, filepath.Join(runs, "mine"), dir)

	relative, err := filepath.Rel(runs, outside)
	require.NoError(t, err)
	for _, evil := range []string{outside, relative, "..", ".", "", "link", "empty", "absent", "mine/../mine"} {
		text, err := json.Marshal(kept{Record: evil, Verdict: reports.Verdict{Calm: true}})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(runs, CalmFolder, "digest.json"), text, 0o644))
		dir, _, ok := k.read("digest")
		assert.True(t, ok, "the result stands")
		assert.Empty(t, dir, evil)
	}

	// A link in the place of the folder leads nowhere.
	require.NoError(t, os.RemoveAll(filepath.Join(runs, CalmFolder)))
	require.NoError(t, os.Symlink(outside, filepath.Join(runs, CalmFolder)))
	_, err = k.write("digest", filepath.Join(runs, "mine"), reports.Verdict{Calm: true})
	require.ErrorContains(t, err, "keep the result of the calm run")
	assert.NoFileExists(t, filepath.Join(outside, "digest.json"))
}

func TestOnlyWhatWasMadeIsTold(t *testing.T) {
	o := Options{Calm: true, Options: run.Options{Runs: t.TempDir()}}
	says := func(string, bool, int) (reports.Verdict, error) { return calmly(), nil }
	got, err := start(t.Context(), podKill(t), o, (&script{says: says}).run)
	require.NoError(t, err)
	assert.Len(t, got.Made, 7, "three records, three results, their folder: %q", got.Made)
	got, err = start(t.Context(), podKill(t), o, (&script{says: says}).run)
	require.NoError(t, err)
	assert.Empty(t, got.Made)
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
	damaged := filepath.Join(o.Runs, CalmFolder, file.Scenario.Digest()+".json")
	require.NoError(t, os.WriteFile(damaged, []byte("{"), 0o644))
	got, err = start(t.Context(), file, o, s.run)
	require.NoError(t, err)
	assert.Equal(t, []string{"", twinOne, twinBare}, s.ran)
	assert.Zero(t, got.Code)
	assert.Empty(t, got.Vacuous)
}

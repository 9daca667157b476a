package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"squall/scenarios"
	"squall/scenarios/catalog"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryShippedScenarioIsValid(t *testing.T) {
	t.Parallel()
	require.Contains(t, catalog.List(), "pod-kill")
	for _, name := range catalog.List() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := catalog.Load(name)
			require.NoError(t, err)
			assert.Equal(t, name, file.Scenario.Metadata.Name, "the file bears the scenario's name")
			assert.NotEmpty(t, file.Twins, "a shipped scenario has a twin")
			for _, s := range append(file.Twins, file.Scenario) {
				again, err := scenarios.Parse("again", s.Marshal())
				require.NoError(t, err)
				assert.Equal(t, s.Digest(), again.Scenario.Digest())
			}
		})
	}
}

// TestExamplesAreValid holds the examples of the documentation to the format.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		f, err := scenarios.LoadFile(file)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSuffix(filepath.Base(file), ".yaml"), f.Scenario.Metadata.Name)
		assert.NotEmpty(t, f.Twins)
	}
}

func TestPodKillAndItsTwins(t *testing.T) {
	t.Parallel()
	file, err := catalog.Load("pod-kill")
	require.NoError(t, err)
	assert.Equal(t, 3, file.Scenario.Spec.Workloads[0].Shop.Replicas["catalog"])
	require.Len(t, file.Twins, 2)
	one, bare := file.Twins[0], file.Twins[1]
	assert.Equal(t, "one replica", one.Twin)
	assert.Equal(t, []string{"users barely notice"}, one.Breaks)
	assert.Equal(t, 1, one.Spec.Workloads[0].Shop.Replicas["catalog"])
	assert.Equal(t, "bare pods", bare.Twin)
	assert.Equal(t, []string{"healed", "replicas are back"}, bare.Breaks)
	assert.Equal(t, []string{"catalog"}, bare.Spec.Workloads[0].Shop.Bare)
	assert.Empty(t, file.Scenario.Spec.Workloads[0].Shop.Bare, "a twin's patch leaves the scenario alone")
}

func TestUnknownNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"no-such", "", "../catalog/pod-kill", "pod-kill.yaml"} {
		_, err := catalog.Load(name)
		require.ErrorIs(t, err, catalog.ErrUnknown, "%q", name)
		assert.ErrorContains(t, err, "pod-kill", "the error lists what there is")
	}
}

func TestTheReferenceShowsTheShippedScenario(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/scenario.md")
	require.NoError(t, err)
	source, err := catalog.Source("pod-kill")
	require.NoError(t, err)
	assert.Contains(t, string(page), "```yaml\n"+string(source)+"```\n")
}

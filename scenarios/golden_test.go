package scenarios_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// files returns the scenario files of a folder of testdata.
func files(t testing.TB, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// golden compares text with the file beside a scenario, or writes it.
func golden(t *testing.T, scenario, text string) {
	t.Helper()
	file := strings.TrimSuffix(scenario, ".yaml") + ".golden"
	if flag.Lookup("update").Value.String() == "true" {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "write it with go test -update")
	assert.Equal(t, string(want), text)
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files instead of comparing with them")
	flag.Parse()
	os.Exit(m.Run())
}

func TestInvalidFilesSayAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "invalid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = scenarios.Parse(filepath.Base(file), data)
			var invalid *scenarios.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Findings)
			golden(t, file, err.Error()+"\n")
		})
	}
}

func TestValidFilesAreCompletedAndReadBack(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "valid") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			parsed, err := scenarios.LoadFile(file)
			require.NoError(t, err)
			var text strings.Builder
			for _, s := range append([]*scenarios.Scenario{parsed.Scenario}, parsed.Twins...) {
				fmt.Fprintf(&text, "%s---\n", s.Marshal())
				readBack(t, s)
			}
			golden(t, file, text.String())
		})
	}
}

// readBack holds a scenario to what Marshal promises: it is read back as the
// same scenario.
func readBack(t *testing.T, s *scenarios.Scenario) {
	t.Helper()
	again, err := scenarios.Parse("again", s.Marshal())
	require.NoError(t, err, "%s", s.Marshal())
	assert.Equal(t, string(s.Marshal()), string(again.Scenario.Marshal()))
	assert.Equal(t, s.Digest(), again.Scenario.Digest())
	assert.Equal(t, s.Twin, again.Scenario.Twin)
	assert.Equal(t, s.Breaks, again.Scenario.Breaks)
	assert.Empty(t, again.Twins)
}

// wrong parses a scenario that is not valid and returns its findings.
func wrong(t *testing.T, text string, opts ...scenarios.Option) []scenarios.Finding {
	t.Helper()
	_, err := scenarios.Parse("s.yaml", []byte(text), opts...)
	var invalid *scenarios.InvalidError
	require.True(t, errors.As(err, &invalid), "want an *InvalidError, not %v", err)
	return invalid.Findings
}

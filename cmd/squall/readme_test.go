package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"squall/cluster/embedded"
	"squall/scenarios"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readme is README.md, from which the tests below take what readers would paste.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return string(text)
}

// blocks are the code blocks of one language.
func blocks(text, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// packages are what an apt-get line installs, sorted.
func packages(t *testing.T, text string) []string {
	t.Helper()
	line := regexp.MustCompile(`apt-get install -y (.*)`).FindStringSubmatch(text)
	require.NotNil(t, line)
	names := slices.DeleteFunc(strings.Fields(line[1]), func(s string) bool { return strings.HasPrefix(s, "-") })
	slices.Sort(names)
	return names
}

func TestReadmeInstallsWhatClustersNeed(t *testing.T) {
	t.Parallel()
	told := packages(t, readme(t))
	for _, name := range packages(t, embedded.PackagesLine()) {
		assert.Contains(t, told, name)
	}
	ci, err := os.ReadFile("../../.ci/run")
	require.NoError(t, err)
	assert.Equal(t, told, packages(t, string(ci)), "CI installs what readers are told to install, and nothing else")
}

func TestReadmeScenariosAreValid(t *testing.T) {
	t.Parallel()
	found := blocks(readme(t), "yaml")
	require.NotEmpty(t, found)
	for _, text := range found {
		_, err := scenarios.Parse("README.md", []byte(text), scenarios.WithChecker(judge.Check))
		assert.NoError(t, err)
	}
}

func TestReadmeCommandsExist(t *testing.T) {
	t.Parallel()
	commands := regexp.MustCompile(`bin/squall ([^#&|()\n]+)`).FindAllStringSubmatch(strings.Join(blocks(readme(t), "sh"), "\n"), -1)
	require.Greater(t, len(commands), 8)
	for _, m := range commands {
		line, _, _ := strings.Cut(m[1], "'") // what is quoted has spaces of its own
		words := strings.Fields(line)
		cmd, rest, err := (&cli{}).root().Find(words)
		require.NoError(t, err, line)
		require.True(t, cmd.HasParent() && !cmd.HasSubCommands(), line)
		for _, word := range rest {
			name, isFlag := strings.CutPrefix(word, "--")
			if isFlag && name != "" {
				assert.NotNil(t, cmd.Flag(name), "%s: %s", line, word)
			}
		}
	}
}

func TestReadmeHasEveryExitCode(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile(`(?m)^\| (\d) \|`).FindAllStringSubmatch(readme(t), -1)
	var codes []string
	for _, row := range rows {
		codes = append(codes, row[1])
	}
	assert.Equal(t, []string{"0", "1", "2", "3", "4"}, codes)
}

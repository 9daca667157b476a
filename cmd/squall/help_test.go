package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// runApp runs the program in this process.
func runApp(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = app(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// verbs calls f for each command, groups and the root included.
func verbs(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		verbs(sub, f)
	}
}

func TestHelpIsWhatIsWritten(t *testing.T) {
	t.Parallel()
	verbs((&cli{}).root(), func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		t.Run(name, func(t *testing.T) {
			args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			if cmd.Name() == "help" {
				args = []string{"help"}
			}
			code, stdout, stderr := runApp(t, args...)
			assert.Zero(t, code)
			assert.Empty(t, stderr)
			golden := filepath.Join("testdata/help", name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(stdout), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "write it with go test -update")
			assert.Equal(t, string(want), stdout)
			for _, line := range strings.Split(stdout, "\n") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 98, "%q is too wide for a terminal", line)
			}
		})
	})
}

// TestHelpNamesEveryFlag keeps what is written true: each flag is in the help of
// its verb, and each flag in the help exists.
func TestHelpNamesEveryFlag(t *testing.T) {
	t.Parallel()
	verbs((&cli{}).root(), func(cmd *cobra.Command) {
		if cmd.Name() == "help" {
			return
		}
		_, help, _ := runApp(t, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		written := map[string]bool{}
		for _, line := range strings.Split(help, "\n") {
			for _, field := range strings.Fields(line) {
				if name, ok := strings.CutPrefix(field, "--"); ok && strings.HasPrefix(line, "  ") && name != "" {
					written[strings.Trim(name, `,";)`)] = true
				}
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			assert.True(t, f.Name == "help" || written[f.Name], "the help of %q does not tell of --%s", cmd.CommandPath(), f.Name)
			delete(written, f.Name)
		})
		for name := range written {
			known := cmd.Root().PersistentFlags().Lookup(name) != nil || name == "help"
			assert.True(t, known, "the help of %q tells of --%s, which it has not", cmd.CommandPath(), name)
		}
	})
}

// TestHelpListsEveryVerb keeps the overviews complete.
func TestHelpListsEveryVerb(t *testing.T) {
	t.Parallel()
	verbs((&cli{}).root(), func(cmd *cobra.Command) {
		if cmd.Hidden || !cmd.HasParent() || cmd.Name() == "help" {
			return
		}
		_, help, _ := runApp(t, append(strings.Fields(cmd.Parent().CommandPath())[1:], "--help")...)
		assert.Contains(t, help, cmd.Name(), "the help of %q", cmd.Parent().CommandPath())
	})
}

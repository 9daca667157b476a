//go:build mutation

package judge_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mutationTakes bounds the tests of one mutation, the compiler with them, on a
// machine that is busy.
const mutationTakes = 10 * time.Minute

// TestMutations makes each mistake and holds that the package's tests notice. It
// changes no file: the compiler reads an overlay.
func TestMutations(t *testing.T) {
	all := mutations()
	out, err := testOver(t, "")
	require.NoError(t, err, "as it is:\n%s", out)
	for _, m := range all {
		t.Run(strings.ReplaceAll(m.measure+" "+m.made, "/", "÷"), func(t *testing.T) {
			text, err := os.ReadFile(m.file)
			require.NoError(t, err)
			path, err := filepath.Abs(m.file)
			require.NoError(t, err)
			dir := t.TempDir()
			mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(mutant, []byte(strings.Replace(string(text), m.old, m.made, 1)), 0o644))
			raw, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(overlay, raw, 0o644))
			out, err := testOver(t, overlay)
			require.Error(t, err, "no test noticed %q for %q in %s", m.made, m.old, m.file)
			require.Contains(t, out, "--- FAIL: ", "it must fail a test, not the compiler:\n%s", out)
		})
	}
}

// testOver runs the package's tests over an overlay up to the first that fails.
func testOver(t *testing.T, overlay string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), mutationTakes)
	defer cancel()
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-ldflags=-s -w"}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, ".")...).CombinedOutput()
	require.NoError(t, ctx.Err(), "the tests did not end within %s:\n%s", mutationTakes, out)
	return string(out), err
}

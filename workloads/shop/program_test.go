package shop

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// writeModule writes the embedded program as an image's builder does.
func writeModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source := Program().Source
	require.NoError(t, fs.WalkDir(source, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(source, path)
		require.NoError(t, err)
		return os.WriteFile(filepath.Join(dir, strings.TrimSuffix(path, ".txt")), text, 0o600)
	}))
	return dir
}

func TestProgramBuildsAsAModuleOfItsOwn(t *testing.T) {
	dir := writeModule(t)
	binary := filepath.Join(dir, "shop")
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=readonly", "-trimpath", "-o", binary, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	out, err = exec.CommandContext(t.Context(), binary, "checkout").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Contains(t, string(out), `unknown role "checkout"`)
}

func TestEveryFileOfTheProgramIsEmbedded(t *testing.T) {
	entries, err := os.ReadDir("server")
	require.NoError(t, err)
	var want []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), "_test.go") {
			want = append(want, entry.Name())
		}
	}
	got, err := fs.Glob(Program().Source, "*")
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestProgramsModulesAreTheRootsModules(t *testing.T) {
	root := requirements(t, "../../go.mod")
	program := requirements(t, "server/go.mod.txt")
	require.Contains(t, program, "github.com/prometheus/client_golang")
	for module, version := range program {
		assert.Equal(t, root[module], version, module)
	}
}

// requirements reads module → version from a go.mod.
func requirements(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	file, err := modfile.ParseLax(path, text, nil)
	require.NoError(t, err)
	versions := map[string]string{}
	for _, r := range file.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	return versions
}

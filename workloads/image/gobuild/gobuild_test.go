package gobuild_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image/cache"
	"squall/workloads/image/gobuild"
)

const hello = `package main

var version = "none"

func main() { println("hello", version) }
`

// target is a module of one small program.
func target(program string) gobuild.Target {
	return gobuild.Target{
		Name: "tiny",
		Source: fstest.MapFS{
			"go.mod.txt":  {Data: []byte("module tiny\n\ngo 1.26\n")},
			"go.sum.txt":  {Data: nil},
			"main.go.txt": {Data: []byte(program)},
		},
		Programs: []gobuild.Program{{Name: "hi"}},
		LDFlags:  "-X main.version=v7",
	}
}

// The settings of a caller must not reach the compiler.
func hostileSettings(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor -tags=nonsense -nosuchflag")
	t.Setenv("GO111MODULE", "off")
	t.Setenv("GOWORK", "/nowhere/go.work")
	t.Setenv("GOOS", "plan9")
	t.Setenv("GOARCH", "mips")
	t.Setenv("GOAMD64", "v9")
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("GOEXPERIMENT", "nosuchexperiment")
}

func TestBuildCompilesOnce(t *testing.T) {
	hostileSettings(t)
	store := cache.Store{Dir: t.TempDir()}
	started := 0
	tiny := target(hello)
	tiny.Starting = func() { started++ }
	entry, err := tiny.Build(t.Context(), store)
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), entry.Path("hi")).CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "hello v7\n", string(out))

	again, err := tiny.Build(t.Context(), store)
	require.NoError(t, err)
	assert.Equal(t, entry, again)
	assert.Equal(t, 1, started)

	// The same source gives the same bytes, whatever folder it is built in.
	other, err := tiny.Build(t.Context(), cache.Store{Dir: t.TempDir()})
	require.NoError(t, err)
	a, err := os.ReadFile(entry.Path("hi"))
	require.NoError(t, err)
	b, err := os.ReadFile(other.Path("hi"))
	require.NoError(t, err)
	assert.Equal(t, len(a), len(b))
	assert.True(t, string(a) == string(b), "the program differs from build to build")
}

func TestKeyDependsOnAllThatMatters(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, tiny gobuild.Target) {
		key, err := tiny.KeyPrefix()
		require.NoError(t, err)
		assert.Empty(t, seen[key], "%s has the key of another", what)
		seen[key] = what
	}
	add("the target", target(hello))
	add("another source", target(strings.Replace(hello, "hello", "jello", 1)))
	flags := target(hello)
	flags.LDFlags = "-X main.version=v8"
	add("other flags", flags)
	programs := target(hello)
	programs.Programs = []gobuild.Program{{Name: "hi", Package: "./cmd"}}
	add("another package", programs)
	tests := target(hello)
	tests.Tests = []gobuild.Program{{Name: "hi.test"}}
	add("a test program besides", tests)
	files := target(hello)
	files.Source.(fstest.MapFS)["extra.go.txt"] = &fstest.MapFile{}
	add("another file", files)
	assert.Len(t, seen, 6)
}

func TestBuildTestProgram(t *testing.T) {
	tiny := target(hello)
	tiny.Tests = []gobuild.Program{{Name: "hi.test"}}
	tiny.LDFlags = "-X tiny.version=v7" // a package under test goes by its path
	tiny.Source.(fstest.MapFS)["main_test.go.txt"] = &fstest.MapFile{Data: []byte(
		"package main\n\nimport \"testing\"\n\nfunc TestVersion(t *testing.T) { t.Log(version) }\n")}
	entry, err := tiny.Build(t.Context(), cache.Store{Dir: t.TempDir()})
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), entry.Path("hi.test"), "-test.v").CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(out), "main_test.go:5: v7")
	assert.FileExists(t, entry.Path("hi"))
}

func TestCompileErrorShowsTheCause(t *testing.T) {
	_, err := target("package main\n\nfunc main() { undefinedThing() }\n").Build(t.Context(), cache.Store{Dir: t.TempDir()})
	var failed *gobuild.CompileError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "build", failed.Argv[1])
	assert.Contains(t, failed.Output, "undefined: undefinedThing")
	assert.ErrorContains(t, err, "undefined: undefinedThing")
	assert.ErrorContains(t, err, "compile tiny")
	assert.ErrorContains(t, err, "fault of Squall")
}

func TestModulesThatCannotBeHad(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	tiny := target("package main\n\nimport _ \"example.invalid/absent\"\n\nfunc main() {}\n")
	tiny.Source.(fstest.MapFS)["go.mod.txt"].Data = []byte("module tiny\n\ngo 1.26\n\nrequire example.invalid/absent v1.0.0\n")
	tiny.Source.(fstest.MapFS)["go.sum.txt"].Data = []byte(
		"example.invalid/absent v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" +
			"example.invalid/absent v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	_, err := tiny.Build(t.Context(), cache.Store{Dir: t.TempDir()})
	assert.ErrorContains(t, err, "Modules could not be downloaded")
}

func TestHints(t *testing.T) {
	for output, hint := range map[string]string{
		"write /x/b001/_pkg_.a: no space left on device":                  "disk is full",
		"go: go.mod requires go >= 1.99 (running go 1.26.0)":              "too old",
		"verifying a@v1: checksum mismatch":                               "not what is pinned",
		"compile: signal: killed":                                         "memory",
		"Get \"https://x/\": dial tcp: lookup x on 127.0.0.1:53: no such": "downloaded",
	} {
		err := &gobuild.CompileError{Name: "x", Argv: []string{"go", "build"}, Output: output, Err: context.Canceled}
		assert.Contains(t, err.Error(), hint)
	}
	long := strings.Repeat("downloading\n", 100) + "the cause\n"
	err := &gobuild.CompileError{Name: "x", Argv: []string{"go", "build"}, Output: long, Err: context.Canceled}
	assert.Contains(t, err.Error(), "the cause")
	assert.Less(t, strings.Count(err.Error(), "downloading"), 20)
}

func TestWithoutGo(t *testing.T) {
	store := cache.Store{Dir: t.TempDir()}
	entry, err := target(hello).Build(t.Context(), store)
	require.NoError(t, err)

	t.Setenv("PATH", t.TempDir())
	found, err := target(hello).Build(t.Context(), store)
	require.NoError(t, err, "what was built before needs no Go")
	assert.Equal(t, entry, found)
	_, err = target(hello+"//").Build(t.Context(), store)
	require.ErrorIs(t, err, exec.ErrNotFound)
	assert.ErrorContains(t, err, "install Go")
}

func TestGoThatIsAScript(t *testing.T) {
	real, err := exec.LookPath("go")
	require.NoError(t, err)
	dir := t.TempDir()
	script := "#!/bin/sh\nexec " + real + ` "$@"` + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755))
	want, err := gobuild.FindToolchain(t.Context())
	require.NoError(t, err)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	tools, err := gobuild.FindToolchain(t.Context())
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "go"), tools.Path)
	assert.Equal(t, want.Version, tools.Version)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\necho hello\n"), 0o755))
	_, err = gobuild.FindToolchain(t.Context())
	assert.ErrorContains(t, err, `answered "hello"`)
}

// A go command that never ends stands for a long compilation: it has a child,
// which must die with it.
func TestCancelKillsTheWholeGroup(t *testing.T) {
	tools, err := gobuild.FindToolchain(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "pid")
	script := `#!/bin/sh
if [ "$1" = env ]; then echo ` + tools.Version + `; exit; fi
sleep 1000 &
echo $! > ` + fifo + `.tmp; mv ` + fifo + `.tmp ` + fifo + `
wait
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	store := cache.Store{Dir: t.TempDir()}
	go func() {
		_, err := target(hello).Build(ctx, store)
		done <- err
	}()
	child := waitForPID(t, fifo)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	waitForEnd(t, child)
	left, err := os.ReadDir(filepath.Join(store.Dir, "scratch"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

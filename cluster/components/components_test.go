package components

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image/gobuild"
)

// tiny is a recipe of one five-line program that prints the name it runs as.
func tiny(name string) recipe {
	return recipe{
		Component: Component{Name: name, Version: "v1"},
		source: fstest.MapFS{
			"go.mod.txt": {Data: []byte("module tiny.test/" + name + "\n\ngo 1.26\n")},
			"go.sum.txt": {},
			"main.go.txt": {Data: []byte("package main\n\nimport (\n\t\"os\"\n\t\"path/filepath\"\n)\n\n" +
				"func main() { println(\"" + name + " as\", filepath.Base(os.Args[0])) }\n")},
		},
		programs: []gobuild.Program{{Name: name}},
		folder:   binFolder,
	}
}

// tinySet is a multi-call program, and a plugin.
func tinySet() []recipe {
	multi, plugin := tiny("multi"), tiny("plugin")
	multi.links = []string{"one", "two"}
	plugin.folder = cniFolder
	return []recipe{multi, plugin}
}

// transcript collects what a builder says.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (tr *transcript) add(line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, line)
}

// compiled counts the components that were built.
func (tr *transcript) compiled() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for _, line := range tr.lines {
		if strings.HasPrefix(line, "built ") {
			n++
		}
	}
	return n
}

func tinyBuilder(t *testing.T) (Builder, *transcript) {
	tr := &transcript{}
	return Builder{Dir: t.TempDir(), Progress: tr.add, recipes: tinySet()}, tr
}

// assertWorks runs the programs of the tiny set.
func assertWorks(t *testing.T, tree Tree) {
	t.Helper()
	for path, want := range map[string]string{
		tree.Path("one"):                    "multi as one\n",
		tree.Path("two"):                    "multi as two\n",
		tree.Path("multi"):                  "multi as multi\n",
		filepath.Join(tree.CNI(), "plugin"): "plugin as plugin\n",
	} {
		out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
		require.NoError(t, err)
		assert.Equal(t, want, string(out))
	}
}

func TestBuild(t *testing.T) {
	b, said := tinyBuilder(t)
	tree, err := b.Build(t.Context())
	require.NoError(t, err)
	assertWorks(t, tree)
	require.Len(t, said.lines, 4)
	assert.Equal(t, "building multi v1 (1 of 2)", said.lines[0])
	assert.Regexp(t, `^built multi v1 \(1 of 2\) in [0-9.]+m?s$`, said.lines[1])
	assert.Equal(t, "building plugin v1 (2 of 2)", said.lines[2])

	again, err := b.Build(t.Context())
	require.NoError(t, err)
	assert.Equal(t, tree, again)
	assert.Len(t, said.lines, 4, "nothing is said when there is nothing to do")
	assert.Regexp(t, `^[0-9a-f]{64}$`, tree.Digest())

	// The folder can be mounted elsewhere: no link leads out of it.
	files, err := os.ReadDir(tree.Bin())
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, f := range files {
		if f.Type() == fs.ModeSymlink {
			to, err := os.Readlink(tree.Path(f.Name()))
			require.NoError(t, err)
			assert.Equal(t, "multi", to)
			continue
		}
		assert.Equal(t, "multi", f.Name(), "%s is neither the program nor a link", f.Name())
		assert.True(t, f.Type().IsRegular())
	}
}

func TestChangedRecipeIsAnotherTree(t *testing.T) {
	b, said := tinyBuilder(t)
	before, err := b.Build(t.Context())
	require.NoError(t, err)
	main := b.recipes[1].source.(fstest.MapFS)["main.go.txt"]
	main.Data = append(main.Data, "// changed\n"...)
	after, err := b.Build(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before.Digest(), after.Digest())
	assert.NotEqual(t, before.Bin(), after.Bin())
	assert.Equal(t, 3, said.compiled(), "only what changed is compiled again")
	assertWorks(t, before)
}

func TestDamageIsBuiltAgain(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing":   os.Remove,
		"truncated": func(p string) error { return os.Truncate(p, 1000) },
		"altered": func(p string) error {
			return rewrite(p, func(data []byte) { data[len(data)/2] ^= 1 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, said := tinyBuilder(t)
			tree, err := b.Build(t.Context())
			require.NoError(t, err)
			require.NoError(t, damage(tree.Path("multi")))
			tree, err = b.Build(t.Context())
			require.NoError(t, err)
			assertWorks(t, tree)
			// A file that is gone from the tree alone is linked again; damage to
			// its content needs the compiler.
			want := map[string]int{"missing": 2}[name]
			if want == 0 {
				want = 3
			}
			assert.Equal(t, want, said.compiled())
		})
	}
}

func TestVerifyFindsWhatLooksRight(t *testing.T) {
	b, said := tinyBuilder(t)
	tree, err := b.Build(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.Verify(t.Context()))
	require.Len(t, said.lines, 4, "a sound cache is no news")

	program := tree.Path("multi")
	info, err := os.Stat(program)
	require.NoError(t, err)
	require.NoError(t, rewrite(program, func(data []byte) { data[len(data)/2] ^= 1 }))
	require.NoError(t, os.Chtimes(program, info.ModTime(), info.ModTime()))
	require.NoError(t, b.Verify(t.Context()))
	assert.Len(t, said.lines, 6, "the component and the tree that links to it: %q", said.lines)
	assert.NoDirExists(t, tree.Bin())

	tree, err = b.Build(t.Context())
	require.NoError(t, err)
	assertWorks(t, tree)
	assert.Equal(t, 3, said.compiled())
}

func TestManyBuildersCompileOnce(t *testing.T) {
	b, said := tinyBuilder(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			tree, err := b.Build(t.Context())
			if assert.NoError(t, err) {
				assert.FileExists(t, tree.Path("one"))
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 2, said.compiled())
}

func TestBrokenRecipe(t *testing.T) {
	b, _ := tinyBuilder(t)
	b.recipes[1].source = fstest.MapFS{
		"go.mod.txt":  {Data: []byte("module tiny.test/plugin\n\ngo 1.26\n")},
		"main.go.txt": {Data: []byte("package main\n\nfunc main() { return 1 }\n")},
	}
	_, err := b.Build(t.Context())
	var failed *gobuild.CompileError
	require.ErrorAs(t, err, &failed)
	assert.ErrorContains(t, err, "component plugin v1 (2 of 2)")
	assert.ErrorContains(t, err, "too many return values")
	assertNoScratch(t, b)
}

func TestWithoutGo(t *testing.T) {
	b, _ := tinyBuilder(t)
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	_, err := b.Build(t.Context())
	require.ErrorIs(t, err, exec.ErrNotFound)
	assert.ErrorContains(t, err, "install Go")

	t.Setenv("PATH", path)
	built, err := b.Build(t.Context())
	require.NoError(t, err)
	t.Setenv("PATH", t.TempDir())
	found, err := b.Build(t.Context())
	require.NoError(t, err, "what is there needs no Go")
	assert.Equal(t, built, found)
}

func TestCancelledBuild(t *testing.T) {
	b, said := tinyBuilder(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.Progress = func(line string) {
		said.add(line)
		cancel() // as soon as the first component is begun
	}
	_, err := b.Build(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "interrupted")
	assert.Zero(t, said.compiled())
	assertNoScratch(t, b)
	b.Progress = said.add
	tree, err := b.Build(t.Context())
	require.NoError(t, err)
	assertWorks(t, tree)
}

func TestUnusableFolder(t *testing.T) {
	_, err := Builder{}.Build(t.Context())
	assert.ErrorContains(t, err, "absolute path")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = Builder{Dir: file, recipes: tinySet()}.Build(t.Context())
	assert.ErrorContains(t, err, file)
}

// rewrite changes a file in place, as a failing disk or a clumsy hand would.
func rewrite(path string, change func([]byte)) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	change(data)
	if err := os.Chmod(path, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, fs.ModePerm); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o555); err != nil {
		return err
	}
	later := time.Now().Add(time.Second)
	return os.Chtimes(path, later, later)
}

func assertNoScratch(t *testing.T, b Builder) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(b.Dir, "scratch"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

package components

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// builderEnv makes this test's binary a builder of the tiny set in the cache
// that it names.
const builderEnv = "SQUALL_TEST_COMPONENT_BUILDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(builderEnv); dir != "" {
		os.Exit(buildTiny(dir))
	}
	os.Exit(m.Run())
}

// buildTiny is the other process: it prints its progress.
func buildTiny(dir string) int {
	b := Builder{Dir: dir, Progress: func(s string) { fmt.Println(s) }, recipes: tinySet()}
	tree, err := b.Build(context.Background())
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println("tree", tree.Digest())
	return 0
}

func otherBuilder(t *testing.T, dir string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), builderEnv+"="+dir)
	return c
}

func TestProcessesAtOnceCompileOnce(t *testing.T) {
	b, said := tinyBuilder(t)
	var outputs [3]strings.Builder
	var others [3]*exec.Cmd
	for i := range others {
		others[i] = otherBuilder(t, b.Dir)
		others[i].Stdout = &outputs[i]
		require.NoError(t, others[i].Start())
	}
	tree, err := b.Build(t.Context())
	require.NoError(t, err)
	compiled := said.compiled()
	for i, other := range others {
		require.NoError(t, other.Wait(), outputs[i].String())
		assert.Contains(t, outputs[i].String(), "tree "+tree.Digest())
		compiled += strings.Count(outputs[i].String(), "built ")
	}
	assert.Equal(t, 2, compiled)
	assertWorks(t, tree)
}

func TestKilledBuilderDoesNoHarm(t *testing.T) {
	b, said := tinyBuilder(t)
	for _, moment := range []string{"building multi", "built multi", "building plugin", "built plugin"} {
		other := otherBuilder(t, b.Dir)
		stdout, err := other.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, other.Start())
		lines := bufio.NewScanner(stdout)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), moment) {
		}
		require.NoError(t, other.Process.Kill())
		_ = other.Wait() // it was killed, or had just ended
	}
	tree, err := b.Build(t.Context())
	require.NoError(t, err)
	assertWorks(t, tree)
	// Whatever was finished before a kill is not compiled again.
	assert.LessOrEqual(t, said.compiled(), 1)
	require.NoError(t, b.Verify(t.Context()))
	assertNoScratch(t, b)
}

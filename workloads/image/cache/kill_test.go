package cache_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image/cache"
)

// makerEnv makes this test's binary a maker in the cache that it names.
const makerEnv = "SQUALL_TEST_CACHE_MAKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(makerEnv); dir != "" {
		fmt.Fprintln(os.Stderr, makeHalf(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// makeHalf fills half of an entry, says so, and never ends.
func makeHalf(dir string) error {
	_, err := cache.Store{Dir: dir}.Make(context.Background(), "a-1", func(_ context.Context, out, _ string) error {
		if err := os.WriteFile(filepath.Join(out, "program"), []byte("half"), 0o755); err != nil {
			return err
		}
		fmt.Println("half")
		select {}
	})
	return err
}

func TestKilledMakerLeavesNothing(t *testing.T) {
	store := cache.Store{Dir: t.TempDir()}
	maker := exec.CommandContext(t.Context(), os.Args[0])
	maker.Env = append(os.Environ(), makerEnv+"="+store.Dir)
	maker.Stderr = os.Stderr
	stdout, err := maker.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, maker.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "half\n", line)

	// While the other process fills, this one waits; it goes on when that dies.
	waiting := make(chan struct{})
	store.Waiting = func() { close(waiting) }
	var calls atomic.Int32
	done := make(chan error, 1)
	go func() {
		_, err := store.Make(t.Context(), "a-1", counted(&calls))
		done <- err
	}()
	<-waiting
	assert.Zero(t, calls.Load())
	require.NoError(t, maker.Process.Kill())
	require.NoError(t, <-done)
	assert.Error(t, maker.Wait())
	assert.EqualValues(t, 1, calls.Load())
	assertNoScratch(t, store)
}

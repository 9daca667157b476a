package main

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wait fails the test when nothing comes in a time that is long for any host.
func wait[T any](t *testing.T, from <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(10 * time.Second):
		require.Fail(t, what+" did not come within 10 s")
	}
	return got
}

func TestFirstSignalEndsTheContextAndSecondTheProgram(t *testing.T) {
	said, exits := make(lines, 4), make(chan int, 1)
	ctx := interruptible(t.Context(), said, func(code int) { exits <- code })
	require.NoError(t, ctx.Err())
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	wait(t, ctx.Done(), "the end of the context")
	assert.EqualError(t, context.Cause(ctx), "interrupted (terminated)")
	assert.Contains(t, wait(t, said, "a line about it"), "once more to leave at once")
	assert.Empty(t, exits, "one signal leaves in order")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	assert.Equal(t, exitInconclusive, wait(t, exits, "the exit"))
}

// lines is a writer that sends on what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

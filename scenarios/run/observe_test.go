package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPodGoneThatTheWatchIsLateWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(newClock(), (&tape{}).add, nil)
		time.AfterFunc(time.Second, func() { r.seePod(ready("a", "1"), false) })
		time.AfterFunc(2*time.Second, func() { r.seePod(ready("a", "2"), true) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 2 { // several may wait
			go func() {
				at, err := r.WaitPodGone(ctx, "uid-a")
				assert.NoError(t, err)
				assert.Equal(t, 2*time.Second, at)
			}()
		}
		at, err := r.WaitPodGone(ctx, "uid-a")
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, at)
		synctest.Wait()
		assert.Empty(t, r.awaited)

		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err = r.WaitPodGone(short, "uid-x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "the watch has never seen a pod with UID uid-x")
	})
}

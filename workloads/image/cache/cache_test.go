package cache_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image/cache"
)

// counted is a fill that writes one program and a link, and counts its calls.
func counted(calls *atomic.Int32) cache.Fill {
	return func(_ context.Context, out, scratch string) error {
		calls.Add(1)
		if err := os.WriteFile(filepath.Join(scratch, "work"), []byte("x"), 0o644); err != nil {
			return err
		}
		if err := os.Symlink("program", filepath.Join(out, "alias")); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(out, "program"), []byte("the right content"), 0o755)
	}
}

func TestMakeFillsOnceAndGetFindsIt(t *testing.T) {
	store := cache.Store{Dir: filepath.Join(t.TempDir(), "new", "cache")}
	_, ok := store.Get("a-1")
	assert.False(t, ok)

	var calls atomic.Int32
	made, err := store.Make(t.Context(), "a-1", counted(&calls))
	require.NoError(t, err)
	again, err := store.Make(t.Context(), "a-1", counted(&calls))
	require.NoError(t, err)
	assert.Equal(t, made, again)
	got, ok := store.Get("a-1")
	assert.True(t, ok)
	assert.Equal(t, made, got)
	assert.EqualValues(t, 1, calls.Load())

	info, err := os.Stat(made.Path("alias"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o555), info.Mode(), "stored files are read-only")
	assertNoScratch(t, store)
}

func TestDamageIsSeenAndMadeGood(t *testing.T) {
	past := time.Unix(1_000_000_000, 0)
	damages := map[string]struct {
		do    func(t *testing.T, program string)
		fills int32 // how often the entry is filled in all
	}{
		"missing": {func(t *testing.T, p string) { require.NoError(t, os.Remove(p)) }, 2},
		"truncated": {func(t *testing.T, p string) {
			require.NoError(t, os.Truncate(p, 3))
		}, 2},
		"truncated in the same tick": {func(t *testing.T, p string) {
			info, err := os.Stat(p)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(p, 3))
			require.NoError(t, os.Chtimes(p, info.ModTime(), info.ModTime()))
		}, 2},
		"altered": {func(t *testing.T, p string) { overwrite(t, p, "the Right content") }, 2},
		"a folder": {func(t *testing.T, p string) {
			require.NoError(t, os.Remove(p))
			require.NoError(t, os.Mkdir(p, 0o755))
		}, 2},
		"link elsewhere": {func(t *testing.T, p string) {
			alias := filepath.Join(filepath.Dir(p), "alias")
			require.NoError(t, os.Remove(alias))
			require.NoError(t, os.Symlink("/bin/sh", alias))
		}, 2},
		"manifest cut": {func(t *testing.T, p string) {
			require.NoError(t, os.Truncate(filepath.Join(filepath.Dir(p), "manifest.json"), 20))
		}, 2},
		"manifest empty": {func(t *testing.T, p string) {
			require.NoError(t, os.Truncate(filepath.Join(filepath.Dir(p), "manifest.json"), 0))
		}, 2},
		// A cache that was copied has new times: right content is kept.
		"only the time": {func(t *testing.T, p string) { require.NoError(t, os.Chtimes(p, past, past)) }, 1},
		"only the mode": {func(t *testing.T, p string) { require.NoError(t, os.Chmod(p, 0o500)) }, 1},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			store := cache.Store{Dir: t.TempDir()}
			var calls atomic.Int32
			entry, err := store.Make(t.Context(), "a-1", counted(&calls))
			require.NoError(t, err)
			damage.do(t, entry.Path("program"))

			_, ok := store.Get("a-1")
			assert.False(t, ok, "the damage is seen without reading the files")
			_, err = store.Make(t.Context(), "a-1", counted(&calls))
			require.NoError(t, err)
			_, ok = store.Get("a-1")
			assert.True(t, ok)
			content, err := os.ReadFile(entry.Path("alias"))
			require.NoError(t, err)
			assert.Equal(t, "the right content", string(content))
			assert.Equal(t, damage.fills, calls.Load())
			assertNoScratch(t, store)
		})
	}
}

func TestVerifyReadsEveryByte(t *testing.T) {
	store := cache.Store{Dir: t.TempDir()}
	var calls atomic.Int32
	good, err := store.Make(t.Context(), "good", counted(&calls))
	require.NoError(t, err)
	bad, err := store.Make(t.Context(), "bad", counted(&calls))
	require.NoError(t, err)
	damaged, err := store.Verify(t.Context())
	require.NoError(t, err)
	assert.Empty(t, damaged)

	// Same size, same time: only the digest can tell.
	info, err := os.Stat(bad.Path("program"))
	require.NoError(t, err)
	overwrite(t, bad.Path("program"), "the wrong content")
	require.NoError(t, os.Chtimes(bad.Path("program"), info.ModTime(), info.ModTime()))
	_, ok := store.Get("bad")
	require.True(t, ok, "the cheap check cannot see this")

	damaged, err = store.Verify(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"bad"}, damaged)
	assert.NoDirExists(t, bad.Dir)
	_, ok = store.Get(good.Key)
	assert.True(t, ok)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Verify(ended)
	require.ErrorIs(t, err, context.Canceled)
	_, ok = store.Get(good.Key)
	assert.True(t, ok, "an interrupted check removes nothing")
}

func TestFailedFillLeavesNothing(t *testing.T) {
	store := cache.Store{Dir: t.TempDir()}
	boom := errors.New("boom")
	_, err := store.Make(t.Context(), "a-1", func(_ context.Context, out, _ string) error {
		require.NoError(t, os.WriteFile(filepath.Join(out, "half"), nil, 0o644))
		return boom
	})
	require.ErrorIs(t, err, boom)
	_, ok := store.Get("a-1")
	assert.False(t, ok)
	assertNoScratch(t, store)

	_, err = store.Make(t.Context(), "a-1", func(context.Context, string, string) error { return nil })
	assert.ErrorContains(t, err, "no file at all")
	var calls atomic.Int32
	_, err = store.Make(t.Context(), "../a", counted(&calls))
	assert.ErrorContains(t, err, `"../a"`)
	assert.Zero(t, calls.Load())
}

func TestManyMakersFillOnce(t *testing.T) {
	dir := t.TempDir()
	var calls atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			// A store of its own each: nothing but the folder is shared.
			_, err := cache.Store{Dir: dir}.Make(t.Context(), "a-1", counted(&calls))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, calls.Load())
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	store := cache.Store{Dir: t.TempDir()}
	filling, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := store.Make(t.Context(), "slow", func(ctx context.Context, out, scratch string) error {
			close(filling)
			<-release
			return counted(&calls)(ctx, out, scratch)
		})
		assert.NoError(t, err)
	})
	<-filling
	ctx, cancel := context.WithCancel(t.Context())
	waiter := cache.Store{Dir: store.Dir, Waiting: cancel} // ends the wait once it has begun
	_, err := waiter.Make(ctx, "other", counted(&calls))
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, store.Dir)
	close(release)
	wg.Wait()
	// The abandoned wait gives the lock back.
	_, err = store.Make(t.Context(), "other", counted(&calls))
	require.NoError(t, err)
	assert.EqualValues(t, 2, calls.Load())
}

func TestNewest(t *testing.T) {
	store := cache.Store{Dir: t.TempDir()}
	_, ok := store.Newest("a-")
	assert.False(t, ok)
	var calls atomic.Int32
	for _, key := range []string{"a-go2", "a-go1", "b-go3"} {
		entry, err := store.Make(t.Context(), key, counted(&calls))
		require.NoError(t, err)
		at := time.Unix(1_000_000_000+int64(calls.Load()), 0)
		require.NoError(t, os.Chtimes(entry.Path("manifest.json"), at, at))
	}
	entry, ok := store.Newest("a-")
	assert.True(t, ok)
	assert.Equal(t, "a-go1", entry.Key)
	require.NoError(t, os.Remove(entry.Path("program")))
	entry, ok = store.Newest("a-")
	assert.True(t, ok)
	assert.Equal(t, "a-go2", entry.Key, "a damaged entry is passed over")
}

func TestUnusableFolderSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	var calls atomic.Int32
	_, err := cache.Store{Dir: filepath.Join(file, "cache")}.Make(t.Context(), "a-1", counted(&calls))
	assert.ErrorContains(t, err, file)
	_, err = cache.Store{}.Make(t.Context(), "a-1", counted(&calls))
	assert.ErrorContains(t, err, "needs a folder")
}

// overwrite replaces a file's bytes in place.
func overwrite(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.Chmod(path, 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	require.NoError(t, os.Chmod(path, 0o555))
	// Were both writes in one tick of the file system's clock, the time would
	// be the same; a real writer comes later.
	now := time.Now().Add(time.Second)
	require.NoError(t, os.Chtimes(path, now, now))
}

func assertNoScratch(t *testing.T, store cache.Store) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(store.Dir, "scratch"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

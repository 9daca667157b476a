// Package cache keeps folders of files that are dear to make and never change:
// compiled programs, image archives. An entry is found by a key that its maker
// derives from all that goes into it, so an entry is right or absent, never old.
//
// Several processes may use one cache at once. Entries appear whole, by a
// rename; whoever makes one holds the cache's lock, and a maker that is killed
// leaves nothing but a scratch folder that the next one removes. Each look-up
// checks that the files have the size and the time they were stored with;
// [Store.Verify] reads every byte. What is damaged is made again.
//
// It knows nothing of what it keeps. Nothing is evicted by itself: to free the
// space, remove the folder.
//
// On disk, below [Store.Dir]:
//
//	entries/KEY/…               an entry's files
//	entries/KEY/manifest.json   their sizes, times and digests
//	scratch/…                   work of the one maker that holds the lock
//	lock                        an empty file, locked with flock
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// Store is a cache in one folder. The zero value is not usable: Dir is needed.
type Store struct {
	// Dir is the cache's folder, made when absent. It must be on a local disk.
	Dir string
	// Waiting, when not nil, is called once before a wait for another maker.
	Waiting func()
}

// Entry is a complete entry of a cache.
type Entry struct {
	// Key is what it is found by.
	Key string
	// Dir is its folder, an absolute path when that of the store is.
	Dir string
}

// Path is the path of a file of the entry, named with forward slashes.
func (e Entry) Path(name string) string { return filepath.Join(e.Dir, filepath.FromSlash(name)) }

// Fill puts an entry's files into the folder out. The folder scratch is for
// what is needed meanwhile; both are empty and on the same file system.
type Fill func(ctx context.Context, out, scratch string) error

// keyForm is what a key must look like, so that it is a harmless file name.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$`)

// Get returns the entry of that key when it is there and its files have the
// sizes and times they were stored with. It takes no lock, writes nothing and
// reads no file but the manifest.
func (s Store) Get(key string) (Entry, bool) {
	if !keyForm.MatchString(key) {
		return Entry{}, false
	}
	entry := s.entry(key)
	m, err := readManifest(entry.Dir)
	if err != nil || m.check(entry.Dir) != sound {
		return Entry{}, false
	}
	return entry, true
}

// Newest returns the sound entry, among those whose keys begin with prefix,
// that was made last.
func (s Store) Newest(prefix string) (Entry, bool) {
	keys, err := s.keys()
	if err != nil {
		return Entry{}, false
	}
	var best Entry
	var bestTime int64
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		entry, ok := s.Get(key)
		if !ok {
			continue
		}
		info, err := os.Stat(entry.Path(manifestName))
		if err == nil && info.ModTime().UnixNano() > bestTime {
			best, bestTime = entry, info.ModTime().UnixNano()
		}
	}
	return best, bestTime > 0
}

// Make returns the entry of that key, and has it filled first when it is absent
// or damaged. Of several that ask for one entry at once, one fills it and the
// others wait. When fill fails, or ctx ends, nothing is left behind.
func (s Store) Make(ctx context.Context, key string, fill Fill) (Entry, error) {
	if !keyForm.MatchString(key) {
		return Entry{}, fmt.Errorf("cache key %q is not usable as a file name", key)
	}
	if entry, ok := s.Get(key); ok {
		return entry, nil
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	if err := s.sweep(); err != nil {
		return Entry{}, err
	}
	entry := s.entry(key)
	if repair(ctx, entry.Dir) == sound {
		return entry, nil
	}
	if err := s.fill(ctx, entry, fill); err != nil {
		return Entry{}, err
	}
	return entry, nil
}

// Verify reads every file of every entry and compares it with its digest. It
// removes the entries that are damaged and returns their keys, sorted.
func (s Store) Verify(ctx context.Context) ([]string, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.sweep(); err != nil {
		return nil, err
	}
	keys, err := s.keys()
	if err != nil {
		return nil, fmt.Errorf("list the cache %s: %w", s.Dir, err)
	}
	var damaged []string
	for _, key := range keys {
		dir := s.entry(key).Dir
		state := verify(ctx, dir)
		if err := ctx.Err(); err != nil {
			return damaged, fmt.Errorf("the check of the cache %s was interrupted: %w", s.Dir, err)
		}
		if state == sound {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return damaged, fmt.Errorf("remove the damaged cache entry %s: %w; remove it yourself", dir, err)
		}
		damaged = append(damaged, key)
	}
	return damaged, nil
}

// fill makes the entry in the scratch folder and moves it to its place. The
// caller holds the lock.
func (s Store) fill(ctx context.Context, entry Entry, fill Fill) (err error) {
	work, err := os.MkdirTemp(s.scratchDir(), "make-")
	if err != nil {
		return s.trouble("make a folder in", err)
	}
	// Leftovers are removed by the next maker, should this fail.
	defer func() { _ = removeAll(work) }()
	out, scratch := filepath.Join(work, "out"), filepath.Join(work, "scratch")
	if err := errors.Join(os.Mkdir(out, 0o755), os.Mkdir(scratch, 0o755)); err != nil {
		return s.trouble("make a folder in", err)
	}
	if err := fill(ctx, out, scratch); err != nil {
		return s.explain(err)
	}
	if err := writeManifest(ctx, out); err != nil {
		return s.trouble("finish an entry of", err)
	}
	// What stands in the place is damaged. It is moved away before it is
	// removed, so that nobody ever sees a part of an entry.
	err = os.Rename(entry.Dir, filepath.Join(work, "damaged"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.trouble("replace a damaged entry of", err)
	}
	if err := os.Rename(out, entry.Dir); err != nil {
		return s.trouble("store an entry in", err)
	}
	return nil
}

// sweep makes the store's folders and removes what killed makers left. The
// caller holds the lock, so nothing in the scratch folder is in use.
func (s Store) sweep() error {
	for _, dir := range []string{s.scratchDir(), s.entriesDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return s.trouble("make a folder in", err)
		}
	}
	left, err := os.ReadDir(s.scratchDir())
	if err != nil {
		return s.trouble("list", err)
	}
	for _, e := range left {
		// A compiler whose parent was killed may still write for a moment. What
		// cannot be removed now is in nobody's way, and is tried again next time.
		_ = removeAll(filepath.Join(s.scratchDir(), e.Name()))
	}
	return nil
}

// keys are the names in the entries folder, sorted. No folder is no keys.
func (s Store) keys() ([]string, error) {
	entries, err := os.ReadDir(s.entriesDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Name())
	}
	slices.Sort(keys)
	return keys, err
}

func (s Store) entry(key string) Entry {
	return Entry{Key: key, Dir: filepath.Join(s.entriesDir(), key)}
}

func (s Store) entriesDir() string { return filepath.Join(s.Dir, "entries") }
func (s Store) scratchDir() string { return filepath.Join(s.Dir, "scratch") }

// trouble is an error of the cache itself, with the way out where there is one.
func (s Store) trouble(what string, err error) error {
	return s.explain(fmt.Errorf("%s the cache %s: %w", what, s.Dir, err))
}

// explain adds the way out to errors of the disk.
func (s Store) explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w; free some space there, or point XDG_CACHE_HOME at a larger disk", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w; the folder must be yours and writable, or XDG_CACHE_HOME must name one that is", err)
	}
	return err
}

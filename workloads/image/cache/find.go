package cache

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// Find returns the path of a file in any sound entry whose key begins with
// prefix.
func (s Store) Find(prefix, name string) (string, bool) {
	keys, err := s.keys()
	if err != nil {
		return "", false
	}
	for _, key := range keys {
		path := s.entry(key).Path(name)
		if _, err := os.Lstat(path); err != nil || !strings.HasPrefix(key, prefix) {
			continue
		}
		if _, ok := s.Get(key); ok {
			return path, true
		}
	}
	return "", false
}

// Remove removes the entries for whose keys drop answers yes.
func (s Store) Remove(ctx context.Context, drop func(key string) bool) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := s.keys()
	if err != nil {
		return fmt.Errorf("list the cache %s: %w", s.Dir, err)
	}
	for _, key := range keys {
		if !drop(key) {
			continue
		}
		if err := removeAll(s.entry(key).Dir); err != nil {
			return fmt.Errorf("remove the cache entry %s: %w; remove it yourself", s.entry(key).Dir, err)
		}
	}
	return nil
}

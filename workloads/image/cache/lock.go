package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lock waits for the cache's lock and returns what gives it back. The kernel
// gives it back for a process that is killed.
func (s Store) lock(ctx context.Context) (func(), error) {
	if s.Dir == "" {
		return nil, errors.New("a cache needs a folder; none was given")
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, s.trouble("make", err)
	}
	file, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, s.trouble("open the lock of", err)
	}
	unlock := func() { _ = file.Close() }
	err = flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return unlock, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		unlock()
		return nil, s.trouble("lock", err)
	}
	if s.Waiting != nil {
		s.Waiting()
	}
	// A wait for a flock cannot be called off. When ctx ends first, the
	// goroutine stays until the lock is free and then gives it back at once.
	got := make(chan error, 1)
	go func() { got <- flock(file, syscall.LOCK_EX) }()
	select {
	case err := <-got:
		if err != nil {
			unlock()
			return nil, s.trouble("lock", err)
		}
		return unlock, nil
	case <-ctx.Done():
		go func() { <-got; unlock() }()
		return nil, fmt.Errorf("waiting for another process that fills the cache %s: %w", s.Dir, ctx.Err())
	}
}

// flock locks an open file; a signal does not end the wait.
func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

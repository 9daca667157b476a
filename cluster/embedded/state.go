//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// The files of a cluster's state folder.
const (
	stateFile      = "state.json"
	kubeconfigFile = "kubeconfig"
	// lockFile is flocked by the janitor for as long as it lives, so that
	// anyone can tell a living cluster from what a killed one left.
	lockFile = "lock"
)

// state is what others need to find a cluster. The janitor writes it.
type state struct {
	Info       cluster.Info
	Janitor    int // pid on the host; valid while the lock is held
	Supervisor int
	Ready      bool
	// SaveTemp is the half-written prepared state of a first start.
	SaveTemp string `json:",omitempty"`
}

// write stores the state, whole or not at all.
func (s state) write(folder string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	return writeWhole(filepath.Join(folder, stateFile), b)
}

// readStateIn reads the state in a cluster's folder.
func readStateIn(folder string) (state, error) {
	b, err := os.ReadFile(filepath.Join(folder, stateFile))
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("%s: %w", stateFile, err)
	}
	return s, nil
}

// writeWhole writes a private file by rename, so that readers never see half.
func writeWhole(path string, b []byte) error {
	temp := path + ".tmp"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// stopTimeout bounds how long a janitor may take to remove a cluster. It takes
// a quarter of a second; a loaded host may need a few.
const stopTimeout = 30 * time.Second

// stopJanitor asks the janitor to end the cluster and waits until it is gone.
func (s state) stopJanitor(ctx context.Context, folder string) error {
	fd, err := unix.PidfdOpen(s.Janitor, 0)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the janitor (pid %d): %w", s.Janitor, err)
	}
	defer unix.Close(fd)
	// Since the state was read the janitor may have ended and its pid have been
	// given to another process. As long as the lock is held, it has not.
	if held, err := lockHeld(filepath.Join(folder, lockFile)); err != nil || !held {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping the janitor (pid %d): %w", s.Janitor, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := waitPidfd(ctx, fd); err != nil {
		return fmt.Errorf("stopping the janitor (pid %d): %w", s.Janitor, err)
	}
	return nil
}

// waitPidfd waits until the process behind a pidfd has ended.
func waitPidfd(ctx context.Context, fd int) error {
	for {
		// A pidfd is readable once its process has ended. Poll in short turns,
		// since a context cannot wake it.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 50)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("waiting for a process to end: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("it has not ended: %w", context.Cause(ctx))
		}
	}
}

// takeLock takes the lock of a state folder for as long as this process lives.
// The returned file must stay open.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the lock %s is held by another squall: %w", path, cluster.ErrExists)
		}
		return nil, fmt.Errorf("taking the lock %s: %w", path, err)
	}
	return f, nil
}

// freeWithin is how long a lock that is free can seem to be held: who looks
// whether it is, holds it for that moment (see [lockHeld]).
const freeWithin = 200 * time.Millisecond

// takeFree is takeLock for a lock that others may be looking at.
func takeFree(ctx context.Context, path string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, freeWithin)
	defer cancel()
	for {
		f, err := takeLock(path)
		if err == nil || !errors.Is(err, cluster.ErrExists) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(5 * time.Millisecond): // flock has no wait with a deadline
		}
	}
}

// lockRun takes the lock that is held while a state folder comes into being and
// while folders of the dead are removed, waiting for it until ctx ends.
func lockRun(ctx context.Context, run string) (unlock func(), err error) {
	err = os.MkdirAll(run, 0o700)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("embedded clusters belong to root: %w; run the same command with sudo", err)
	}
	if err != nil {
		return nil, fmt.Errorf("making the folder %s: %w", run, err)
	}
	for {
		f, err := takeLock(filepath.Join(run, lockFile))
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, cluster.ErrExists) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another squall has been cleaning up for too long: %w", err)
		case <-time.After(5 * time.Millisecond): // flock has no wait with a deadline
		}
	}
}

// lockHeld reports whether somebody holds a lock. No file is no holder.
func lockHeld(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

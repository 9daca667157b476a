package kind

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
	"squall/cluster/settings"

	"golang.org/x/sys/unix"
)

// The files of a cluster's state folder.
const (
	stateFile      = "state.json"
	kubeconfigFile = "kubeconfig"
	// lockFile is locked by the process that answers for the cluster: its keeper
	// while there is one.
	lockFile = "lock"
	// turnFile is locked by who changes the cluster's nodes.
	turnFile = "turn"
	nodesDir = "nodes" // a file a node: its order, see [nodeOrder]
)

// state is what others need to find a cluster and to act on it.
type state struct {
	Info cluster.Info
	// Image is the Docker image of the nodes, Programs the folder that is mounted
	// into them.
	Image, Programs string
	Ready, Detached bool
	// NextWorker is the number of the next worker that is added.
	NextWorker int
	// CPU is in processors, Memory in bytes; of each worker, 0 is the host's.
	CPU, Memory int64
	Space       int64  // bytes that each node's volumes may have together
	Subnet      string // of the cluster's network
	Settings    settings.Settings
}

// clusters is the folder of all state folders.
func (p *Provider) clusters() string { return filepath.Join(p.cache, "kind", "clusters") }

// lockClusters takes the lock that is held while a state folder gets its keeper
// and while what dead clusters left is looked for and removed.
func (p *Provider) lockClusters(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(p.clusters(), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for clusters: %w", err)
	}
	f, err := waitLock(ctx, filepath.Join(p.clusters(), lockFile))
	if err != nil {
		return nil, fmt.Errorf("another squall has been at work on clusters for too long: %w", err)
	}
	return func() { f.Close() }, nil
}

// folder is the state folder of the cluster of that name.
func (p *Provider) folder(name string) string { return filepath.Join(p.clusters(), name) }

func readState(folder string) (state, error) {
	b, err := os.ReadFile(filepath.Join(folder, stateFile))
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("%s: %w", filepath.Join(folder, stateFile), err)
	}
	return s, nil
}

// write stores the state, whole or not at all.
func (s state) write(folder string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	return writeWhole(filepath.Join(folder, stateFile), b)
}

// writeWhole writes a private file by rename, so that readers never see half.
func writeWhole(path string, b []byte) error {
	temp := path + ".tmp"
	err := os.WriteFile(temp, b, 0o600)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// errLocked says that somebody holds a lock.
var errLocked = errors.New("another squall holds the lock")

// takeLock takes a lock for as long as the returned file is open.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, errLocked)
		}
		return nil, fmt.Errorf("taking the lock %s: %w", path, err)
	}
	return f, nil
}

// waitLock takes a lock as soon as it is free.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := takeLock(path)
		if !errors.Is(err, errLocked) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond): // flock has no wait with a deadline
		}
	}
}

// lockHeld tells whether somebody holds a lock. No file is no holder.
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

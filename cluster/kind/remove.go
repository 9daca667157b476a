package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"squall/cluster"
	"squall/cluster/kind/engine"
)

// removeDeadline bounds the removal of a cluster. It takes a few seconds.
const removeDeadline = 2 * time.Minute

// engineReturn is how long an engine may be away before what is in it is left for
// "squall clean". Debian's takes up to 17 s to restart: it gives the containers
// 15 s to end (dockerd's --shutdown-timeout), and answers nobody meanwhile.
const engineReturn = 40 * time.Second

// lookAgain is how often an engine that is away is looked for.
const lookAgain = 500 * time.Millisecond

// removePatiently is [removeAll] that waits for an engine that is being restarted.
// Its error says what is left in one that does not return, and wraps
// [cluster.ErrHost].
func removePatiently(ctx context.Context, name, folder string, patience time.Duration) error {
	until := time.Now().Add(patience)
	for {
		err := removeAll(ctx, name, folder)
		if !errors.Is(err, engine.ErrStopped) {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%w: %w (waited %s for it); its containers and its network %s are left, if the engine has not lost them: start it, then \"squall clean\" removes them",
				cluster.ErrHost, err, patience, networkName(name))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w (waited until: %w)", cluster.ErrHost, err, context.Cause(ctx))
		case <-time.After(lookAgain): // nothing announces that an engine comes back
		}
	}
}

// removeAll removes all of a cluster that is ours: its containers with their
// volumes, its network, its state folder. It succeeds when there is nothing.
func removeAll(ctx context.Context, name, folder string) error {
	s, err := readState(folder)
	if err != nil {
		s = state{} // of a cluster that got nowhere, and has nothing to thaw
	}
	if err := s.removeContainers(ctx, name); err != nil {
		return err
	}
	if err := s.removeNetwork(ctx, name); err != nil {
		return err
	}
	// A docker command that was under way may have made one more, which cannot
	// start any more without its network.
	if err := s.removeContainers(ctx, name); err != nil {
		return err
	}
	return removeFolder(folder)
}

// removeContainers removes the containers of a cluster that hang on its own
// network, and no others.
func (s state) removeContainers(ctx context.Context, name string) error {
	all, err := containersOf(ctx, name)
	if err != nil {
		return fmt.Errorf("looking for the containers of cluster %q: %w", name, err)
	}
	ours, _ := split(name, all)
	if len(ours) == 0 {
		return nil
	}
	err = s.ending(ctx, ids(ours), func() error {
		_, err := docker(ctx, append([]string{"rm", "--force", "--volumes"}, ids(ours)...)...)
		if err != nil && goneOrGoing(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("removing the containers of cluster %q: %w", name, err)
	}
	return nil
}

// removeNetwork removes a cluster's network, if it is ours.
func (s state) removeNetwork(ctx context.Context, name string) error {
	for {
		n, err := inspectNetwork(ctx, networkName(name))
		if errors.Is(err, cluster.ErrNotFound) || err == nil && !n.ours() {
			return nil
		}
		if err == nil {
			if _, err = docker(ctx, "network", "rm", n.ID); err == nil || goneOrGoing(err) {
				return nil
			}
		}
		// A container that is being made right now still holds it.
		if !strings.Contains(err.Error(), "active endpoints") {
			return fmt.Errorf("removing the network of cluster %q: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing the network of cluster %q: %w", name, errors.Join(context.Cause(ctx), err))
		case <-time.After(100 * time.Millisecond): // the engine announces it, to who listens from before
		}
		if err := s.removeContainers(ctx, name); err != nil {
			return err
		}
	}
}

// goneOrGoing tells whether an error says that what was to be removed is gone,
// or that somebody else removes it.
func goneOrGoing(err error) bool {
	said := strings.ToLower(err.Error())
	for _, known := range []string{"no such container", "no such network", "already in progress", "not found"} {
		if strings.Contains(said, known) {
			return true
		}
	}
	return false
}

// removeFolder removes a state folder. The state goes first: without it no
// cluster is found.
func removeFolder(folder string) error {
	err := os.Remove(filepath.Join(folder, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
		return fmt.Errorf("removing the cluster's state: %w", err)
	}
	return nil
}

//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"squall/cluster"
)

// Find returns the cluster of that name. See [cluster.Provider].
func (p *Provider) Find(_ context.Context, name string) (cluster.Cluster, error) {
	s, err := p.readState(name)
	if err != nil {
		return nil, err
	}
	if !s.Ready {
		return nil, fmt.Errorf("the cluster %q is still coming up: %w", name, cluster.ErrNotFound)
	}
	return p.handle(s)
}

// List returns the clusters that are up. See [cluster.Provider].
func (p *Provider) List(ctx context.Context) ([]cluster.Info, error) {
	entries, err := os.ReadDir(filepath.Join(p.run, "clusters"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("listing clusters, which belong to root: %w; run the same command with sudo", err)
	}
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	var infos []cluster.Info
	for _, e := range entries {
		if s, err := p.readState(e.Name()); err == nil && s.Ready {
			infos = append(infos, s.Info)
		}
	}
	return infos, ctx.Err()
}

// Remove ends a cluster and removes what is left of it. See
// [cluster.Provider].
func (p *Provider) Remove(ctx context.Context, name string) error {
	s, err := p.readState(name)
	if errors.Is(err, cluster.ErrNotFound) {
		return p.Sweep(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.stopJanitor(ctx, p.folder(name)); err != nil {
		return fmt.Errorf("removing cluster %q: %w", name, err)
	}
	return p.Sweep(ctx)
}

// folder is where the state of the cluster of that name lives.
func (p *Provider) folder(name string) string { return filepath.Join(p.run, "clusters", name) }

// refuseTaken returns an error when a cluster of that name is up or being made.
func (p *Provider) refuseTaken(name string) error {
	held, err := lockHeld(filepath.Join(p.folder(name), lockFile))
	if err != nil {
		return fmt.Errorf("looking for a cluster named %q: %w", name, err)
	}
	if held {
		return fmt.Errorf("a cluster named %q is up already; remove it with \"squall cluster down %s\" or choose another name: %w",
			name, name, cluster.ErrExists)
	}
	return nil
}

// readState reads the state of a cluster that is up.
func (p *Provider) readState(name string) (state, error) {
	notFound := fmt.Errorf("no embedded cluster named %q is up; see \"squall cluster list\": %w", name, cluster.ErrNotFound)
	if cluster.CheckName(name) != nil {
		return state{}, notFound
	}
	held, err := lockHeld(filepath.Join(p.folder(name), lockFile))
	if err != nil {
		return state{}, fmt.Errorf("looking for cluster %q: %w", name, err)
	}
	s, err := p.readDead(name)
	if !held || errors.Is(err, os.ErrNotExist) {
		return state{}, notFound
	}
	return s, err
}

// readDead reads the state of a cluster whether or not it lives.
func (p *Provider) readDead(name string) (state, error) {
	b, err := os.ReadFile(filepath.Join(p.folder(name), stateFile))
	if err != nil {
		return state{}, fmt.Errorf("reading the state of cluster %q: %w", name, err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("reading the state of cluster %q: %s: %w", name, stateFile, err)
	}
	return s, nil
}

package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"squall/cluster"
)

// Find returns the cluster of that name. See [cluster.Provider].
func (p *Provider) Find(ctx context.Context, name string) (cluster.Cluster, error) {
	notFound := fmt.Errorf("no kind cluster named %q is up; see \"squall cluster list\": %w", name, cluster.ErrNotFound)
	if cluster.CheckName(name) != nil {
		return nil, notFound
	}
	s, err := readState(p.folder(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of cluster %q: %w", name, err)
	}
	if !s.Ready {
		return nil, fmt.Errorf("the cluster %q is still coming up: %w", name, cluster.ErrNotFound)
	}
	lives, err := p.lives(ctx, name, s)
	if err != nil {
		return nil, err
	}
	if !lives {
		return nil, notFound
	}
	return &handle{state: s, folder: p.folder(name)}, nil
}

// lives tells whether a cluster is up, coming up or going: somebody answers for
// it, or it was detached and its containers are there.
func (p *Provider) lives(ctx context.Context, name string, s state) (bool, error) {
	held, err := lockHeld(filepath.Join(p.folder(name), lockFile))
	if err != nil || held {
		return held, err
	}
	if !s.Detached || !s.Ready {
		return false, nil
	}
	all, err := containersOf(ctx, name)
	if err != nil {
		return false, fmt.Errorf("looking for the containers of cluster %q: %w", name, err)
	}
	ours, _ := split(name, all)
	return len(ours) > 0, nil
}

// known are the names of the state folders.
func (p *Provider) known() ([]string, error) {
	folders, err := os.ReadDir(p.clusters())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for kind clusters: %w", err)
	}
	var names []string
	for _, f := range folders {
		if f.IsDir() && cluster.CheckName(f.Name()) == nil {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// List returns the clusters that are up. See [cluster.Provider].
func (p *Provider) List(ctx context.Context) ([]cluster.Info, error) {
	names, err := p.known()
	if err != nil {
		return nil, err
	}
	var infos []cluster.Info
	for _, name := range names {
		c, err := p.Find(ctx, name)
		if errors.Is(err, cluster.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, c.Info())
	}
	return infos, nil
}

// Living lists the names of the clusters that are up, coming up or going.
// [Provider.List] has only those that are ready.
func (p *Provider) Living(ctx context.Context) ([]string, error) {
	names, err := p.known()
	if err != nil {
		return nil, err
	}
	var living []string
	for _, name := range names {
		s, err := readState(p.folder(name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		lives, err := p.lives(ctx, name, s)
		if err != nil {
			return nil, err
		}
		if lives {
			living = append(living, name)
		}
	}
	return living, nil
}

// refuseTaken returns an error when the name is a cluster's, ours or not. What
// is not ours is never touched.
func (p *Provider) refuseTaken(ctx context.Context, name string) error {
	held, err := lockHeld(filepath.Join(p.folder(name), lockFile))
	if err != nil {
		return fmt.Errorf("looking for a cluster named %q: %w", name, err)
	}
	all, err := containersOf(ctx, name)
	if err != nil {
		return fmt.Errorf("looking for a cluster named %q: %w", name, err)
	}
	ours, others := split(name, all)
	switch {
	case len(others) > 0:
		return fmt.Errorf("a kind cluster named %q is there that Squall did not make (container %s), and stays as it is; choose another name: %w",
			name, others[0].name(), cluster.ErrExists)
	case held || len(ours) > 0:
		return fmt.Errorf("a cluster named %q is up already; remove it with \"squall cluster down %s\" or choose another name: %w",
			name, name, cluster.ErrExists)
	}
	n, err := inspectNetwork(ctx, networkName(name))
	switch {
	case errors.Is(err, cluster.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking for a cluster named %q: %w", name, err)
	case !n.ours():
		return fmt.Errorf("a Docker network named %q is there that Squall did not make, and stays as it is; choose another name for the cluster: %w",
			n.Name, cluster.ErrExists)
	}
	return fmt.Errorf("a cluster named %q belongs to another cache folder, %s; choose another name: %w", name, n.Labels[labelFolder], cluster.ErrExists)
}

// Remove removes a cluster and everything that is left of it. See
// [cluster.Provider].
func (p *Provider) Remove(ctx context.Context, name string) error {
	if err := cluster.CheckName(name); err != nil {
		return nil // there can be none
	}
	folder := p.folder(name)
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return p.Sweep(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, removeDeadline, fmt.Errorf("not gone within %s", removeDeadline))
	defer cancel()
	// With its containers gone the keeper, if there is one, finds nothing to do
	// when its time comes.
	if err := removePatiently(ctx, name, folder, engineReturn); err != nil {
		return fmt.Errorf("removing cluster %q: %w", name, err)
	}
	return nil
}

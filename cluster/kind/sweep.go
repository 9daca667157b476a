package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"squall/cluster/kind/engine"
)

// leftover is what a cluster left whose squall and keeper were killed.
type leftover struct {
	name, folder string
}

func (l leftover) String() string { return fmt.Sprintf("what is left of the kind cluster %q", l.name) }

// leftovers finds what dead clusters left: state folders that nobody answers for,
// and networks whose state folder is gone. Networks of another cache folder are
// that one's, as long as it exists.
func (p *Provider) leftovers(ctx context.Context) ([]leftover, error) {
	names, err := p.known()
	if err != nil {
		return nil, err
	}
	var found []leftover
	for _, name := range names {
		s, err := readState(p.folder(name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		lives, err := p.lives(ctx, name, s)
		if err != nil {
			return nil, err
		}
		if !lives {
			found = append(found, leftover{name, p.folder(name)})
		}
	}
	if _, err := engine.Look(ctx); err != nil {
		return found, nil // without an engine there are no networks
	}
	all, err := networks(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for networks of dead clusters: %w", err)
	}
	for _, n := range all {
		folder := n.Labels[labelFolder]
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) && filepath.IsAbs(folder) {
			found = append(found, leftover{n.Labels[labelCluster], folder})
		}
	}
	return found, nil
}

// Leftovers says what dead clusters left.
func (p *Provider) Leftovers(ctx context.Context) ([]string, error) {
	found, err := p.leftovers(ctx)
	said := make([]string, len(found))
	for i, l := range found {
		said[i] = l.String()
	}
	return said, err
}

// Clean removes what dead clusters left and says what it was.
func (p *Provider) Clean(ctx context.Context) ([]string, error) {
	unlock, err := p.lockClusters(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	found, err := p.leftovers(ctx)
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, l := range found {
		if err := removeAll(ctx, l.name, l.folder); err != nil {
			errs = append(errs, fmt.Errorf("removing %s: %w", l, err))
			continue
		}
		removed = append(removed, l.String())
	}
	return removed, errors.Join(errs...)
}

// Sweep removes what dead clusters left.
func (p *Provider) Sweep(ctx context.Context) error {
	_, err := p.Clean(ctx)
	return err
}

// sweepFor removes what dead clusters left before one of that name is made. Only
// what bears the name must be gone for it.
func (p *Provider) sweepFor(ctx context.Context, name string, progress func(string)) error {
	unlock, err := p.lockClusters(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	found, err := p.leftovers(ctx)
	if err != nil {
		return err
	}
	for _, l := range found {
		err := removeAll(ctx, l.name, l.folder)
		if err != nil && l.name == name {
			return fmt.Errorf("removing what an earlier cluster of that name left: %w", err)
		}
		if err != nil {
			progress(fmt.Sprintf("could not remove %s: %v", l, err))
		}
	}
	return nil
}

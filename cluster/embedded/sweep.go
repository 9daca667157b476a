//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Sweep removes what killed clusters left: control groups, state folders and
// half-written prepared state. Clusters that live are not touched, and neither
// is anything that is not ours. Every command that makes, lists or removes
// clusters sweeps first.
func (p *Provider) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, cleanTimeout, fmt.Errorf("not gone within %s", cleanTimeout))
	defer cancel()
	hs, err := hierarchies()
	if err != nil {
		return err
	}
	unlock, err := lockRun(ctx, p.run)
	if err != nil {
		return err
	}
	defer unlock()
	names, err := p.leftovers(hs)
	if err != nil {
		return err
	}
	var errs []error
	for name := range names {
		errs = append(errs, p.sweepOne(ctx, hs, name))
	}
	return errors.Join(errs...)
}

// leftovers returns the names of clusters of which something exists.
func (p *Provider) leftovers(hs []hierarchy) (map[string]bool, error) {
	names := map[string]bool{}
	folders, err := os.ReadDir(filepath.Join(p.run, "clusters"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking for what killed clusters left: %w", err)
	}
	for _, f := range folders {
		names[f.Name()] = true
	}
	for _, h := range hs {
		groups, err := os.ReadDir(h.Dir)
		if err != nil {
			return nil, fmt.Errorf("looking for what killed clusters left: %w", err)
		}
		for _, g := range groups {
			if name, ours := strings.CutPrefix(g.Name(), groupPrefix); ours && g.IsDir() {
				names[name] = true
			}
		}
	}
	return names, nil
}

// sweepOne removes what is left of one cluster, unless it lives.
func (p *Provider) sweepOne(ctx context.Context, hs []hierarchy, name string) error {
	folder := p.folder(name)
	if held, err := lockHeld(filepath.Join(folder, lockFile)); err != nil || held {
		return err
	}
	saveTemp := ""
	if s, err := p.readDead(name); err == nil {
		saveTemp = s.SaveTemp
	}
	if err := clean(ctx, hs, groupPrefix+name, folder, saveTemp); err != nil {
		return fmt.Errorf("removing what cluster %q left: %w", name, err)
	}
	return nil
}

// Leftovers lists what [Provider.Sweep] would remove, for people.
func (p *Provider) Leftovers() ([]string, error) {
	hs, err := hierarchies()
	if err != nil {
		return nil, err
	}
	names, err := p.leftovers(hs)
	if err != nil {
		return nil, err
	}
	var found []string
	for name := range names {
		if held, err := lockHeld(filepath.Join(p.folder(name), lockFile)); err == nil && !held {
			found = append(found, fmt.Sprintf("what the dead cluster %q left", name))
		}
	}
	return found, nil
}

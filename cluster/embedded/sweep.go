//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"squall/cluster"
)

// leftover is one thing that a killed part of Squall left.
type leftover struct {
	name   string // of the cluster that left it, where that is known
	what   string // for people: `what the dead cluster "demo" left: its state folder`
	remove func(ctx context.Context) error
}

// Sweep removes what killed clusters left: control groups, state folders and
// half-written prepared state. Clusters that live are not touched, and neither
// is anything that is not ours. Every command that makes, lists or removes
// clusters sweeps first; [Provider.Clean] looks further.
func (p *Provider) Sweep(ctx context.Context) error {
	found, err := p.deadClusters()
	if err != nil {
		return err
	}
	_, err = p.removeAll(ctx, found)
	return err
}

// sweepPatience bounds how long the making of a cluster waits for what others
// left to go.
const sweepPatience = 5 * time.Second

// sweepFor sweeps before a cluster of that name is made. What another name left
// and does not go is in nobody's way: it is said, and left to [Provider.Clean].
func (p *Provider) sweepFor(ctx context.Context, name string, progress func(string)) error {
	found, err := p.deadClusters()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, sweepPatience, fmt.Errorf("not gone within %s", sweepPatience))
	defer cancel()
	for _, l := range found {
		_, err := p.removeAll(ctx, []leftover{l})
		if err != nil && l.name == name {
			return err
		}
		if err != nil {
			progress(fmt.Sprintf("%v; \"squall clean\" looks further", err))
		}
	}
	return nil
}

// Leftovers lists what [Provider.Clean] would remove, for people. It changes
// nothing.
func (p *Provider) Leftovers(ctx context.Context) ([]string, error) {
	found, err := p.leftovers(ctx)
	var what []string
	for _, l := range found {
		what = append(what, l.what)
	}
	return what, err
}

// Clean removes all that any killed part of Squall left on this host, ever, and
// says what it removed. What lives is not touched, and neither is anything that
// is not ours. In the host's network there is nothing to remove: no link,
// address, route, rule or named namespace is ever made there.
func (p *Provider) Clean(ctx context.Context) ([]string, error) {
	found, err := p.leftovers(ctx)
	if err != nil {
		return nil, err
	}
	return p.removeAll(ctx, found)
}

// leftovers finds everything, in the order in which it must be removed: first
// what is still running.
func (p *Provider) leftovers(ctx context.Context) ([]leftover, error) {
	var found []leftover
	for _, find := range []func() ([]leftover, error){
		p.orphans, p.deadClusters, p.strayMounts, p.halfPrepared, p.scratch, p.benchCaches, p.temporary,
	} {
		some, err := find()
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("looking for what killed clusters left: %w", context.Cause(ctx))
		}
	}
	return found, nil
}

// removeAll removes what was found and says what it could remove.
func (p *Provider) removeAll(ctx context.Context, found []leftover) (removed []string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, cleanTimeout, fmt.Errorf("not gone within %s", cleanTimeout))
	defer cancel()
	var errs []error
	for _, l := range found {
		if err := l.remove(ctx); err != nil {
			errs = append(errs, fmt.Errorf("removing %s: %w", l.what, err))
			continue
		}
		removed = append(removed, l.what)
	}
	return removed, errors.Join(errs...)
}

// deadClusters finds what is left of clusters whose janitor is dead.
func (p *Provider) deadClusters() ([]leftover, error) {
	g, err := findGroups()
	if err != nil {
		return nil, err
	}
	left := map[string][]string{}
	folders, err := os.ReadDir(filepath.Join(p.run, "clusters"))
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("looking for what killed clusters left, which belongs to root: %w; run the same command with sudo", err)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking for what killed clusters left: %w", err)
	}
	for _, f := range folders {
		left[f.Name()] = append(left[f.Name()], "its state folder")
	}
	ours, err := g.ours()
	if err != nil {
		return nil, fmt.Errorf("looking for what killed clusters left: %w", err)
	}
	for _, name := range ours {
		left[name] = append(left[name], "control groups")
	}
	var found []leftover
	for _, name := range slices.Sorted(maps.Keys(left)) {
		alive, err := p.alive(name)
		if err != nil {
			return nil, fmt.Errorf("looking for what cluster %q left: %w", name, err)
		}
		if alive {
			continue
		}
		found = append(found, leftover{
			name:   name,
			what:   fmt.Sprintf("what the dead cluster %q left: %s", name, strings.Join(left[name], ", ")),
			remove: func(ctx context.Context) error { return p.removeDead(ctx, g, name) },
		})
	}
	return found, nil
}

// alive tells whether the janitor of a cluster of that name lives.
func (p *Provider) alive(name string) (bool, error) {
	return lockHeld(filepath.Join(p.folder(name), lockFile))
}

// Living lists the names of the clusters that are up, coming up or going: those
// whose janitor lives. [Provider.List] has only those that are ready.
func (p *Provider) Living(ctx context.Context) ([]string, error) {
	folders, err := os.ReadDir(filepath.Join(p.run, "clusters"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking for clusters that live: %w", err)
	}
	var names []string
	for _, f := range folders {
		alive, err := p.alive(f.Name())
		if err != nil {
			return nil, fmt.Errorf("looking for clusters that live: %q: %w", f.Name(), err)
		}
		if alive {
			names = append(names, f.Name())
		}
	}
	return names, ctx.Err()
}

// removeDead removes what is left of one cluster, unless it has come to life
// since: the lock that is held meanwhile keeps it from doing so now.
func (p *Provider) removeDead(ctx context.Context, g groups, name string) error {
	unlock, err := lockRun(ctx, p.run)
	if err != nil {
		return err
	}
	defer unlock()
	if alive, err := p.alive(name); err != nil || alive {
		return err
	}
	if cluster.CheckName(name) != nil {
		return removeFolder(p.folder(name)) // no cluster's, so there is no group of ours
	}
	saveTemp := ""
	if s, err := p.readDead(name); err == nil {
		saveTemp = s.SaveTemp
	}
	return clean(ctx, g, groupPrefix+name, p.folder(name), saveTemp)
}

// clean removes what a dead supervisor leaves.
func clean(ctx context.Context, g groups, group, folder, saveTemp string) error {
	errs := []error{g.remove(ctx, group)}
	if saveTemp != "" {
		errs = append(errs, os.RemoveAll(saveTemp))
	}
	return errors.Join(append(errs, removeFolder(folder))...)
}

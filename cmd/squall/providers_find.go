package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"squall/cluster"
)

// open parts providers into those that this user can look at now, idle ones
// included, and the reasons why he cannot look at the others.
func (all sources) open(ctx context.Context) (open sources, closed []error) {
	for _, s := range all {
		err := s.look(ctx)
		if err != nil && !errors.Is(err, errIdle) {
			closed = append(closed, err)
			continue
		}
		s.idle = err
		open = append(open, s)
	}
	return open, closed
}

// idle are those in which no cluster can be up.
func (all sources) idle() sources {
	var found sources
	for _, s := range all {
		if s.idle != nil {
			found = append(found, s)
		}
	}
	return found
}

// unseen is for what was not found, or not done, where some providers could not
// be looked at: it says why, and the way out.
func unseen(err error, closed []error) error {
	return hinted(unfit(errors.Join(append([]error{err}, closed...)...)), hintsOf(closed)...)
}

// excuse gives an error that an idle provider causes the reason for it.
func (s source) excuse(err error) error {
	if err == nil || s.idle == nil {
		return err
	}
	return unfit(fmt.Errorf("%w: %w", s.idle, err), `"squall doctor" says what kind clusters need`)
}

// leaves tells whether there may be something to remove. Where no cluster can be
// up that is looked at first: to remove nothing may take what an idle provider has
// not, and make a folder in the cache.
func (s source) leaves(ctx context.Context) (bool, error) {
	if s.idle == nil {
		return true, nil
	}
	left, err := s.Leftovers(ctx)
	return len(left) > 0, err
}

// lives tells whether a cluster of that name is up, coming up or going.
func (s source) lives(ctx context.Context, name string) (bool, error) {
	living, err := s.Living(ctx)
	return slices.Contains(living, name), s.excuse(err)
}

// find returns a cluster that is up. Providers are looked at one after the other:
// who has an embedded cluster need not wait for Docker.
func (all sources) find(ctx context.Context, name string) (cluster.Cluster, error) {
	const hint = `"squall cluster list" shows those that are up`
	var failed, closed []error
	var looked string
	for _, s := range all {
		if err := s.look(ctx); err != nil {
			if !errors.Is(err, errIdle) {
				closed = append(closed, err)
			}
			continue
		}
		looked = s.name + " "
		found, err := s.Find(ctx, name)
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, cluster.ErrNotFound) {
			failed = append(failed, err)
		} else if lives, err2 := s.lives(ctx, name); err2 == nil && lives {
			return nil, misuse(err, hint) // it is coming up
		}
	}
	absent := fmt.Errorf("no cluster named %q is up: %w", name, cluster.ErrNotFound)
	switch {
	case len(failed) > 0:
		return nil, errors.Join(failed...)
	case len(closed) == 0:
		return nil, misuse(absent, hint)
	case looked == "":
		return nil, unseen(nil, closed)
	}
	return nil, unseen(fmt.Errorf("no %scluster named %q is up: %w", looked, name, cluster.ErrNotFound), closed)
}

// list returns the clusters that are up, after what dead ones left is removed,
// and why some providers could not be looked at.
func (all sources) list(ctx context.Context) (infos []cluster.Info, closed []error, err error) {
	open, closed := all.open(ctx)
	if len(closed) > 0 && len(open) == len(open.idle()) {
		return nil, closed, unseen(nil, closed)
	}
	var errs []error
	for _, s := range open {
		if s.idle != nil {
			continue
		}
		errs = append(errs, s.Sweep(ctx))
		some, err := s.List(ctx)
		infos, errs = append(infos, some...), append(errs, err)
	}
	return infos, closed, errors.Join(errs...)
}

// remove removes the cluster of that name, and what is left of one. It succeeds
// when there is none, which is certain only when all providers were looked at.
func (all sources) remove(ctx context.Context, name string) error {
	open, closed := all.open(ctx)
	for _, s := range open {
		lives, err := s.lives(ctx, name)
		if err != nil {
			return err
		}
		if lives {
			return s.excuse(s.Remove(ctx, name))
		}
	}
	var errs []error
	for _, s := range open {
		if left, err := s.leaves(ctx); left || err != nil {
			errs = append(errs, s.excuse(errors.Join(err, s.Remove(ctx, name))))
		}
	}
	err := errors.Join(errs...)
	if err == nil && len(closed) > 0 {
		return unseen(fmt.Errorf("no cluster named %q was found to remove", name), closed)
	}
	return err
}

// checkFree refuses a name that a cluster of another provider has. Those of a
// provider that this user cannot look at are not known to him.
func (all sources) checkFree(ctx context.Context, name, maker string) error {
	for _, s := range all {
		if s.name == maker || s.look(ctx) != nil {
			continue
		}
		lives, err := s.lives(ctx, name)
		if err != nil {
			return err
		}
		if lives {
			return misuse(fmt.Errorf("the name %q is that of the %s cluster that is up: %w", name, s.name, cluster.ErrExists),
				fmt.Sprintf("choose another name, or remove it with %q", "squall cluster down "+name))
		}
	}
	return nil
}

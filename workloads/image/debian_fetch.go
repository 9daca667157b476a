package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"squall/workloads/image/apt"
	"squall/workloads/image/cache"
)

// Cache entries of Debian's: the mirrors' lists of a day, and sets of packages,
// either chosen by apt or given by a lock.
const (
	listsPrefix  = "apt-lists-"
	setsPrefix   = "debs-"
	chosenPrefix = setsPrefix + "chosen-"
	lockedPrefix = setsPrefix + "locked-"
)

// packages fetches what d is made of, or finds it in the cache.
func (b Builder) packages(ctx context.Context, store cache.Store, d Debian) (cache.Entry, Lock, error) {
	key, err := d.setKey()
	if err != nil {
		return cache.Entry{}, Lock{}, err
	}
	entry, ok := store.Get(key)
	if !ok {
		entry, err = b.fetch(ctx, store, d, key)
		if err != nil {
			return cache.Entry{}, Lock{}, err
		}
	}
	lock, err := lockOf(entry)
	return entry, lock, err
}

// setKey is the cache key of the set of packages.
func (d Debian) setKey() (string, error) {
	arch, err := apt.Architecture()
	if err != nil {
		return "", err
	}
	prefix, text := chosenPrefix, fmt.Sprintf("%q %q %q %q", d.Suite, arch, sorted(d.Packages), sorted(d.Without))
	if d.Lock != nil {
		prefix, text = lockedPrefix, fmt.Sprintf("%q %q %q", d.Lock.Suite, arch, d.Lock.label())
	}
	sum := sha256.Sum256([]byte("1\n" + text))
	return prefix + hex.EncodeToString(sum[:12]), nil
}

// fetch makes the entry of a set of packages.
func (b Builder) fetch(ctx context.Context, store cache.Store, d Debian, key string) (cache.Entry, error) {
	set := packageSet{builder: b, store: store, debian: d}
	if d.Lock == nil || len(set.missing(d.Lock.Packages)) > 0 {
		suite := d.Suite
		if d.Lock != nil {
			suite = d.Lock.Suite
		}
		var err error
		if set.sources, err = apt.HostSources(ctx, suite); err != nil {
			return cache.Entry{}, err
		}
		if set.lists, err = b.lists(ctx, store, set.sources, suite); err != nil {
			return cache.Entry{}, err
		}
	}
	return store.Make(ctx, key, set.fill)
}

// packageSet makes a cache entry of packages.
type packageSet struct {
	builder Builder
	store   cache.Store
	debian  Debian
	// sources and lists are for asking the mirrors; not needed when a lock's
	// packages are all in the cache.
	sources apt.Sources
	lists   cache.Entry
}

func (s packageSet) fill(ctx context.Context, out, scratch string) error {
	lock, err := s.choose(ctx, scratch)
	if err != nil {
		return err
	}
	missing := s.missing(lock.Packages)
	for _, p := range lock.Packages {
		if slices.Contains(missing, p) {
			continue
		}
		if err := s.reuse(p, filepath.Join(out, p.FileName())); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		session, err := s.open(scratch)
		if err != nil {
			return err
		}
		s.builder.say("fetching %d Debian packages for image %s", len(missing), s.debian.Ref)
		if err := session.Fetch(ctx, missing, out); err != nil {
			return err
		}
	}
	return lock.write(filepath.Join(out, lockFile))
}

// choose is the lock that was given, or apt's choice.
func (s packageSet) choose(ctx context.Context, scratch string) (Lock, error) {
	if s.debian.Lock != nil {
		return *s.debian.Lock, nil
	}
	session, err := s.open(scratch)
	if err != nil {
		return Lock{}, err
	}
	arch, err := apt.Architecture()
	if err != nil {
		return Lock{}, err
	}
	packages, err := session.Resolve(ctx, apt.Wanted{Packages: sorted(s.debian.Packages), Without: s.debian.Without})
	return Lock{Suite: s.debian.Suite, Architecture: arch, Packages: packages}, err
}

func (s packageSet) open(scratch string) (*apt.Session, error) {
	if s.lists.Dir == "" {
		return nil, errors.New("packages went missing from the cache while they were used; try again")
	}
	return s.sources.Open(s.lists.Dir, scratch)
}

// missing are the packages that no set in the cache holds.
func (s packageSet) missing(packages []apt.Package) []apt.Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p apt.Package) bool {
		_, found := s.store.Find(setsPrefix, p.FileName())
		return found
	})
}

// reuse takes a package from another set. The two share the file: entries
// never change.
func (s packageSet) reuse(p apt.Package, path string) error {
	from, found := s.store.Find(setsPrefix, p.FileName())
	if !found {
		return fmt.Errorf("package %s was removed from the cache meanwhile; try again", p)
	}
	if err := os.Link(from, path); err != nil {
		if err := copyFile(from, path); err != nil {
			return err
		}
	}
	return p.Check(path)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// lists are the mirrors' lists of packages of today; when no mirror answers,
// the newest that there are.
func (b Builder) lists(ctx context.Context, store cache.Store, sources apt.Sources, suite string) (cache.Entry, error) {
	const form = "20060102"
	now := time.Now().UTC()
	prefix := listsPrefix + suite + "-" + sources.Key() + "-"
	entry, err := store.Make(ctx, prefix+now.Format(form), func(ctx context.Context, out, scratch string) error {
		b.say("fetching the list of Debian packages of %s", suite)
		return sources.Update(ctx, out, scratch)
	})
	if errors.Is(err, apt.ErrUnreachable) {
		if old, ok := store.Newest(prefix); ok {
			return old, nil
		}
	}
	if err != nil {
		return cache.Entry{}, err
	}
	// Somebody may still read those of yesterday.
	yesterday := prefix + now.AddDate(0, 0, -1).Format(form)
	return entry, store.Remove(ctx, func(key string) bool { return strings.HasPrefix(key, prefix) && key < yesterday })
}

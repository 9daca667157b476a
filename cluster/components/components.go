// Package components pins the programs that a cluster is made of, compiles them
// from their Go modules, and keeps the results in a cache: Kubernetes with etcd,
// containerd, the CNI plugins, CoreDNS and pause.
//
// A recipe is a module of its own under recipes/, so that components need not
// agree on one set of versions. Recipes travel inside the binary; nothing is
// downloaded but Go modules, which go.sum pins. docs/components.md says how the
// cache works and how to change a version.
//
// It does not start any of the programs, and knows nothing of clusters.
package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"squall/workloads/image/cache"
	"squall/workloads/image/gobuild"
)

// Builder makes the components in a cache folder. Two builders at once, in one
// process or in several, are safe; one that is killed leaves nothing that
// matters.
type Builder struct {
	// Dir is the cache's root, see [DefaultDir].
	Dir string
	// Progress, when not nil, is called with one sentence when work begins and
	// when it is done. It is not called when everything is in the cache.
	Progress func(string)

	// recipes are what is built; nil means those that ship.
	recipes []recipe
}

// DefaultDir is where components are cached unless told otherwise:
// squall/components in the user's cache folder.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for cached components: %w; set XDG_CACHE_HOME to an absolute path", err)
	}
	return filepath.Join(dir, "squall", "components"), nil
}

// Tree is a complete set of components on disk. Its files never change.
type Tree struct {
	root   string
	digest string
}

// Bin is the folder that holds every program by its name, "kubelet" among them.
// It can be mounted elsewhere as a whole: no link in it leads out of it.
func (t Tree) Bin() string { return filepath.Join(t.root, binFolder) }

// CNI is the folder that holds the CNI plugins by their names.
func (t Tree) CNI() string { return filepath.Join(t.root, cniFolder) }

// Path is the path of a program in [Tree.Bin].
func (t Tree) Path(name string) string { return filepath.Join(t.Bin(), name) }

// Digest stands for the whole set: recipes, flags, version of Go, platform. It is
// hexadecimal. What was prepared with one set is worth nothing with another.
func (t Tree) Digest() string { return t.digest }

// Build returns the components, compiling those that are absent or damaged. With
// all in place it takes a few milliseconds, and needs no Go. A failed
// compilation is a [*gobuild.CompileError]; a missing go command wraps
// [os/exec.ErrNotFound].
func (b Builder) Build(ctx context.Context) (Tree, error) {
	store, err := b.store()
	if err != nil {
		return Tree{}, err
	}
	recipes := b.all()
	prefix, err := treePrefix(recipes)
	if err != nil {
		return Tree{}, err
	}
	tools, err := gobuild.FindToolchain(ctx)
	if err != nil {
		if entry, ok := store.Newest(prefix); ok {
			return treeOf(entry), nil
		}
		return Tree{}, fmt.Errorf("build the cluster's components: %w", err)
	}
	key := prefix + tools.Version
	if entry, ok := store.Get(key); ok {
		return treeOf(entry), nil
	}
	if !buildable(runtime.GOARCH) {
		return Tree{}, fmt.Errorf("components are built for linux/amd64 and linux/arm64, not for linux/%s", runtime.GOARCH)
	}
	built := make([]cache.Entry, len(recipes))
	for i, r := range recipes {
		if built[i], err = b.component(ctx, store, r, fmt.Sprintf("%d of %d", i+1, len(recipes))); err != nil {
			return Tree{}, err
		}
	}
	entry, err := store.Make(ctx, key, func(_ context.Context, out, _ string) error {
		return assemble(recipes, built, out)
	})
	if err != nil {
		return Tree{}, fmt.Errorf("assemble the cluster's components: %w", err)
	}
	return treeOf(entry), nil
}

// Verify reads every byte of the cache and removes what is damaged, which the
// next [Builder.Build] makes again. Progress is told what was removed. It is not
// an error to find damage.
func (b Builder) Verify(ctx context.Context) error {
	store, err := b.store()
	if err != nil {
		return err
	}
	damaged, err := store.Verify(ctx)
	for _, key := range damaged {
		b.say("removed %s from the component cache: it was damaged", key)
	}
	return err
}

// component returns the entry of one recipe, and says so when that takes work.
func (b Builder) component(ctx context.Context, store cache.Store, r recipe, place string) (cache.Entry, error) {
	target, err := r.target()
	if err != nil {
		return cache.Entry{}, err
	}
	what := strings.TrimSpace(r.Name + " " + r.Version)
	var began time.Time
	target.Starting = func() {
		began = time.Now()
		b.say("building %s (%s)%s", what, place, r.patience)
	}
	entry, err := target.Build(ctx, store)
	if err != nil {
		return cache.Entry{}, fmt.Errorf("component %s (%s): %w", what, place, err)
	}
	if !began.IsZero() {
		b.say("built %s (%s) in %s", what, place, time.Since(began).Round(100*time.Millisecond))
	}
	return entry, nil
}

func (b Builder) store() (cache.Store, error) {
	dir, err := filepath.Abs(b.Dir)
	if err != nil || b.Dir == "" {
		return cache.Store{}, fmt.Errorf("the component cache's folder %q is not usable: give an absolute path", b.Dir)
	}
	waiting := func() { b.say("waiting for another build of components in %s", dir) }
	return cache.Store{Dir: dir, Waiting: waiting}, nil
}

func (b Builder) all() []recipe {
	if b.recipes != nil {
		return b.recipes
	}
	return shipped()
}

func (b Builder) say(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// buildable are the architectures that all components have been built for.
func buildable(arch string) bool { return arch == "amd64" || arch == "arm64" }

// treePrefix is the cache key of the assembled set, without the version of Go.
func treePrefix(recipes []recipe) (string, error) {
	sum := sha256.New()
	for _, r := range recipes {
		target, err := r.target()
		if err != nil {
			return "", err
		}
		prefix, err := target.KeyPrefix()
		if err != nil {
			return "", fmt.Errorf("component %s: %w", r.Name, err)
		}
		fmt.Fprintf(sum, "%s %s %q\n", prefix, r.folder, r.links)
	}
	return "tree-" + hex.EncodeToString(sum.Sum(nil))[:20] + "-", nil
}

func treeOf(entry cache.Entry) Tree {
	sum := sha256.Sum256([]byte(entry.Key))
	return Tree{root: entry.Dir, digest: hex.EncodeToString(sum[:])}
}

// assemble puts the programs of all recipes into the folder out. They are hard
// links: the set takes no space, and its folders can be mounted elsewhere.
func assemble(recipes []recipe, built []cache.Entry, out string) error {
	for i, r := range recipes {
		folder := filepath.Join(out, r.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		for _, p := range r.programs {
			err := os.Link(built[i].Path(p.Name), filepath.Join(folder, p.Name))
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s vanished meanwhile: the cache is being cleaned by another process; try again", built[i].Path(p.Name))
			}
			if err != nil {
				return err
			}
		}
		for _, link := range r.links {
			if err := os.Symlink(r.programs[0].Name, filepath.Join(folder, link)); err != nil {
				return err
			}
		}
	}
	return nil
}

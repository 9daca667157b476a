// Package gobuild compiles Go programs whose source travels inside the binary,
// statically for Linux, and keeps the results in a cache.
//
// What a build depends on is pinned: the source, go.sum, the flags, the target
// and the version of Go make the key. The caller's Go settings (GOFLAGS, a
// workspace, cgo) do not reach the compiler; where modules come from (GOPROXY,
// GOMODCACHE) stays the caller's business. Without a network it works once the
// modules are in Go's module cache.
package gobuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"squall/workloads/image/cache"
)

// Target is a module and the programs to build from it.
type Target struct {
	// Name says what is built, in messages and at the start of the cache key:
	// lower-case letters, digits and dashes.
	Name string
	// Source is a module: go.mod, go.sum and the Go files. A name that ends in
	// ".txt" loses that ending when it is written out, since go:embed cannot
	// carry a go.mod.
	Source fs.FS
	// Programs are what is built.
	Programs []Program
	// Tests are packages whose test programs are built, as by "go test -c".
	Tests []Program
	// LDFlags are added to the linker's "-s -w".
	LDFlags string
	// Starting, when not nil, is called once when something must be compiled,
	// and not when the cache has it.
	Starting func()
}

// Program is one program of a target.
type Program struct {
	// Name is the file's name in the cache entry.
	Name string
	// Package is its main package: an import path, or a path relative to the
	// module that begins with "."; default ".".
	Package string
}

// keyFormat is part of every key: raise it when the way of building changes.
const keyFormat = "gobuild 1"

// Build returns the cache entry that holds the target's programs, compiling them
// when it is absent or damaged. Without a Go toolchain it still finds what any
// version of Go has built; otherwise the error wraps [exec.ErrNotFound]. A failed
// compilation is a [*CompileError].
func (t Target) Build(ctx context.Context, store cache.Store) (cache.Entry, error) {
	prefix, err := t.KeyPrefix()
	if err != nil {
		return cache.Entry{}, err
	}
	tools, err := FindToolchain(ctx)
	if err != nil {
		if entry, ok := store.Newest(prefix); ok {
			return entry, nil
		}
		return cache.Entry{}, fmt.Errorf("build %s: %w", t.Name, err)
	}
	return store.Make(ctx, prefix+tools.Version, func(ctx context.Context, out, scratch string) error {
		if t.Starting != nil {
			t.Starting()
		}
		return t.compile(ctx, tools, out, scratch)
	})
}

// KeyPrefix is the target's cache key without the version of Go at its end. Two
// targets that differ in anything that matters have different ones.
func (t Target) KeyPrefix() (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%q\n%q\n", keyFormat, strings.Join(settings(), "\n"), t.LDFlags, t.Programs)
	if len(t.Tests) > 0 {
		fmt.Fprintf(sum, "tests %q\n", t.Tests)
	}
	err := fs.WalkDir(t.Source, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(t.Source, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", strings.TrimSuffix(path, ".txt"), len(data))
		sum.Write(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the source of %s: %w", t.Name, err)
	}
	return t.Name + "-" + hex.EncodeToString(sum.Sum(nil))[:20] + "-", nil
}

// settings are the environment that decides what comes out of the compiler.
func settings() []string {
	return []string{
		"CGO_ENABLED=0",
		"GOOS=linux",
		"GOARCH=" + runtime.GOARCH,
		// The baselines, so that what one host built runs on the next.
		"GOAMD64=v1",
		"GOARM64=v8.0",
		// Go's own settings file counts only where a variable is empty.
		"GOFLAGS=-mod=readonly",
		"GO111MODULE=on",
		"GOWORK=off",
	}
}

// compile builds the programs into the folder out.
func (t Target) compile(ctx context.Context, tools Toolchain, out, scratch string) error {
	module, tmp := filepath.Join(scratch, "module"), filepath.Join(scratch, "tmp")
	if err := errors.Join(os.Mkdir(module, 0o755), os.Mkdir(tmp, 0o755)); err != nil {
		return err
	}
	if err := writeSource(t.Source, module); err != nil {
		return fmt.Errorf("write the source of %s: %w", t.Name, err)
	}
	for i, p := range append(slices.Clone(t.Programs), t.Tests...) {
		verb := []string{"build"}
		if i >= len(t.Programs) {
			verb = []string{"test", "-c"}
		}
		pkg := p.Package
		if pkg == "" {
			pkg = "."
		}
		argv := slices.Concat([]string{tools.Path}, verb, []string{
			"-trimpath", "-buildvcs=false",
			"-ldflags", strings.TrimSpace("-s -w " + t.LDFlags),
			"-o", filepath.Join(out, p.Name), pkg,
		})
		c := command{name: t.Name, argv: argv, dir: module, env: environ(tmp)}
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// environ is the caller's environment with our settings. GOTMPDIR puts the
// compiler's own work where it is removed with everything else.
func environ(tmp string) []string {
	var env []string
	for _, v := range os.Environ() {
		// An experimental toolchain setting would change what is built.
		if !strings.HasPrefix(v, "GOEXPERIMENT=") {
			env = append(env, v)
		}
	}
	env = append(env, settings()...)
	env = append(env, "GOTMPDIR="+tmp)
	if os.Getenv("GOTOOLCHAIN") == "" {
		env = append(env, "GOTOOLCHAIN=local")
	}
	return env
}

// writeSource writes the module to dir.
func writeSource(source fs.FS, dir string) error {
	return fs.WalkDir(source, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(path, ".txt")))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return copyFile(source, path, to)
	})
}

func copyFile(source fs.FS, path, to string) error {
	in, err := source.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, in)
	return errors.Join(err, file.Close())
}

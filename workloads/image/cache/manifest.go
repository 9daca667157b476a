package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const manifestName = "manifest.json"

// manifest describes the files of an entry as they were stored.
type manifest struct {
	Files []file `json:"files"`
}

// file is a regular file or a symbolic link of an entry.
type file struct {
	// Name is relative to the entry, with forward slashes.
	Name string `json:"name"`
	// Link is what a symbolic link points to; the fields below are then empty.
	Link string `json:"link,omitempty"`
	// Size is in bytes.
	Size int64 `json:"size,omitempty"`
	// Modified is in nanoseconds since 1970.
	Modified int64 `json:"modified,omitempty"`
	// Mode is the permission bits.
	Mode fs.FileMode `json:"mode,omitempty"`
	// SHA256 is the content's digest in hexadecimal.
	SHA256 string `json:"sha256,omitempty"`
}

// state is how an entry or a file compares with its manifest.
type state int

const (
	sound   state = iota
	touched       // sizes are right but a time or mode is not: only the digest can tell
	damaged
)

// writeManifest describes dir's files in a manifest, and makes them read-only,
// so that nothing changes them by accident.
func writeManifest(ctx context.Context, dir string) error {
	m, err := describe(ctx, dir)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), data, 0o444)
}

func describe(ctx context.Context, dir string) (manifest, error) {
	var m manifest
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := describeFile(ctx, path)
		if err != nil {
			return err
		}
		f.Name = filepath.ToSlash(name)
		m.Files = append(m.Files, f)
		return nil
	})
	if err == nil && len(m.Files) == 0 {
		return m, errors.New("it was filled with no file at all")
	}
	return m, err
}

func describeFile(ctx context.Context, path string) (file, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return file{}, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(path)
		return file{Link: link}, err
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("%s is neither a file nor a link", path)
	}
	mode := info.Mode().Perm()&^0o222 | 0o444
	if err := os.Chmod(path, mode); err != nil {
		return file{}, err
	}
	digest, err := digestFile(ctx, path)
	if err != nil {
		return file{}, err
	}
	return file{Size: info.Size(), Modified: info.ModTime().UnixNano(), Mode: mode, SHA256: digest}, nil
}

func readManifest(dir string) (manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return manifest{}, err
	}
	if len(m.Files) == 0 {
		return manifest{}, errors.New("the manifest names no file")
	}
	return m, nil
}

// check compares all files with the manifest without reading them, and returns
// the worst state.
func (m manifest) check(dir string) state {
	worst := sound
	for _, f := range m.Files {
		worst = max(worst, f.check(filepath.Join(dir, filepath.FromSlash(f.Name))))
	}
	return worst
}

func (f file) check(path string) state {
	if f.Link != "" {
		if link, err := os.Readlink(path); err != nil || link != f.Link {
			return damaged
		}
		return sound
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return damaged
	}
	if info.ModTime().UnixNano() != f.Modified || info.Mode().Perm() != f.Mode {
		return touched
	}
	return sound
}

// repair checks an entry, and reads the files whose time or mode is not that of
// the manifest. A cache that was copied or unpacked elsewhere has new ones on
// right files; those get the stored ones back, so the next look-up is quick.
func repair(ctx context.Context, dir string) state {
	m, err := readManifest(dir)
	if err != nil || m.check(dir) == damaged {
		return damaged
	}
	for _, f := range m.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if f.check(path) != touched {
			continue
		}
		if digest, err := digestFile(ctx, path); err != nil || digest != f.SHA256 {
			return damaged
		}
		stored := time.Unix(0, f.Modified)
		if errors.Join(os.Chmod(path, f.Mode), os.Chtimes(path, stored, stored)) != nil {
			return damaged
		}
	}
	return m.check(dir)
}

// verify checks an entry and reads every file of it.
func verify(ctx context.Context, dir string) state {
	if repair(ctx, dir) != sound {
		return damaged
	}
	m, err := readManifest(dir)
	if err != nil {
		return damaged
	}
	for _, f := range m.Files {
		if f.Link != "" {
			continue
		}
		digest, err := digestFile(ctx, filepath.Join(dir, filepath.FromSlash(f.Name)))
		if err != nil || digest != f.SHA256 {
			return damaged
		}
	}
	return sound
}

func digestFile(ctx context.Context, path string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// removeAll removes a tree, also one with folders that are not writable, as
// Go's own caches are made of.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

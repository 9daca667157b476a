package nodeimage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"squall/workloads/image"
	"squall/workloads/image/cache"
	"squall/workloads/image/gobuild"

	"golang.org/x/mod/sumdb/dirhash"
)

// The module whose files a node image has, and its checksum as in go.sum.
const (
	kindModule = "sigs.k8s.io/kind"
	kindSum    = "h1:AjvDv3vOygb/VKLVQW87lfktIBzkxR8Ump9DjxC8+Lk="
	// KindVersion is the version of kind whose base files nodes have; it is that
	// of the library.
	KindVersion = "v0.33.0"
)

// moduleDeadline bounds the download of the module, which is of 2 MB.
const moduleDeadline = 5 * time.Minute

// kindFiles are the files of kind's base image, in the cache or from the module,
// which the go command fetches once.
func kindFiles(ctx context.Context, store cache.Store) ([]image.File, error) {
	sum := sha256.Sum256([]byte(kindSum))
	entry, err := store.Make(ctx, "kind-base-"+KindVersion+"-"+hex.EncodeToString(sum[:8]), func(ctx context.Context, out, scratch string) error {
		folder, err := fetchModule(ctx, scratch)
		if err != nil {
			return fmt.Errorf("fetching %s@%s, whose base files nodes have: %w", kindModule, KindVersion, err)
		}
		if err := verify(folder); err != nil {
			return err
		}
		return os.CopyFS(filepath.Join(out, "files"), os.DirFS(filepath.Join(folder, "images", "base", "files")))
	})
	if err != nil {
		return nil, err
	}
	return baseFiles(os.DirFS(entry.Path("files")))
}

// fetchModule has the go command fetch the module, and returns its folder.
func fetchModule(ctx context.Context, scratch string) (string, error) {
	tools, err := gobuild.FindToolchain(ctx)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(scratch, "go.mod"), []byte("module fetch\n\ngo 1.26\n"), 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, moduleDeadline, fmt.Errorf("not within %s", moduleDeadline))
	defer cancel()
	var out, complaint bytes.Buffer
	c := exec.CommandContext(ctx, tools.Path, "mod", "download", "-json", kindModule+"@"+KindVersion)
	c.Dir, c.Stdout, c.Stderr = scratch, &out, &complaint
	c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GO111MODULE=on", "GOWORK=off")
	c.WaitDelay = 2 * time.Second
	failed := c.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	var module struct{ Dir, Error string }
	if err := json.Unmarshal(out.Bytes(), &module); err != nil || module.Error != "" || module.Dir == "" {
		return "", fmt.Errorf("go mod download: %v: %s%s; the first build needs a Go module proxy (\"go env GOPROXY\")", failed, module.Error, complaint.String())
	}
	return module.Dir, nil
}

// verify refuses a module's folder that is not the one this package was written
// for. It reads every file: the go command checks a module when it fetches it,
// and not what became of it since.
func verify(folder string) error {
	sum, err := dirhash.HashDir(folder, kindModule+"@"+KindVersion, dirhash.Hash1)
	if err != nil {
		return fmt.Errorf("reading %s: %w", folder, err)
	}
	if sum != kindSum {
		return fmt.Errorf("%s@%s in %s has the checksum %s, not %s: it is not what it was; run \"go clean -modcache\"", kindModule, KindVersion, folder, sum, kindSum)
	}
	return nil
}

// baseFiles are the files below a folder. Programs among them have no mode in a
// module.
func baseFiles(files fs.FS) ([]image.File, error) {
	var all []image.File
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(name, "LICENSES/") {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if folder := path.Dir(name); folder == "usr/local/bin" || folder == "kind/bin" {
			mode = 0o755
		}
		all = append(all, image.File{Path: "/" + name, Mode: mode, Content: content})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading kind's base files: %w", err)
	}
	return all, nil
}

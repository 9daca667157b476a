package nodeimage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"squall/workloads/image"
)

// The module whose files a node image has, and its checksum as in go.sum.
const (
	kindModule = "sigs.k8s.io/kind"
	kindSum    = "h1:AjvDv3vOygb/VKLVQW87lfktIBzkxR8Ump9DjxC8+Lk="
	// KindVersion is the version of kind whose base files nodes have; it is that
	// of the library.
	KindVersion = "v0.33.0"
)

// kindFiles are the files of kind's base image. The go command fetches the module
// once and verifies it.
func kindFiles(ctx context.Context) ([]image.File, error) {
	temp, err := os.MkdirTemp("", "squall-module-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	if err := os.WriteFile(filepath.Join(temp, "go.mod"), []byte("module fetch\n\ngo 1.26\n"), 0o600); err != nil {
		return nil, err
	}
	var out, complaint bytes.Buffer
	c := exec.CommandContext(ctx, "go", "mod", "download", "-json", kindModule+"@"+KindVersion)
	c.Dir, c.Stdout, c.Stderr = temp, &out, &complaint
	failed := c.Run()
	var module struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out.Bytes(), &module); err != nil || module.Error != "" || failed != nil {
		return nil, fmt.Errorf("fetching %s@%s, whose base files nodes have: %w: %s%s", kindModule, KindVersion, failed, module.Error, complaint.String())
	}
	if err := verify(module.Sum); err != nil {
		return nil, err
	}
	return baseFiles(os.DirFS(filepath.Join(module.Dir, "images", "base", "files")))
}

// verify refuses a module that is not the one this package was written for.
func verify(sum string) error {
	if sum != kindSum {
		return fmt.Errorf("%s@%s has the checksum %s, not %s: it is not what it was", kindModule, KindVersion, sum, kindSum)
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

package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"squall/workloads/image/cache"
	"squall/workloads/image/rootfs"
)

// write makes the image from fetched packages.
func (d Debian) write(ctx context.Context, debs cache.Entry, lock Lock, to folders) error {
	accounts, err := d.accounts()
	if err != nil {
		return err
	}
	user, err := accounts.Owner(d.User)
	if err != nil {
		return err
	}
	layerPath := filepath.Join(to.scratch, "layer.tar")
	if err := d.writeLayer(ctx, debs, lock, layerSpec{layerPath, to.scratch, accounts}); err != nil {
		return err
	}
	layer, err := openLayer(layerPath)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	config := d.config(lock, layer)
	config.Config.User = fmt.Sprintf("%d:%d", user.UID, user.GID)
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		return err
	}
	if err := lock.write(filepath.Join(to.out, lockFile)); err != nil {
		return err
	}
	return seal(img, d.Ref, to.out)
}

func (d Debian) config(lock Lock, layer *layer) *v1.ConfigFile {
	env := d.Env
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		env = append([]string{defaultPath}, env...)
	}
	return &v1.ConfigFile{
		OS:           "linux",
		Architecture: runtime.GOARCH,
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer.hash}},
		Config: v1.Config{
			Entrypoint: d.Entrypoint,
			Cmd:        d.Args,
			Env:        env,
			WorkingDir: cmp.Or(d.WorkDir, "/"),
			StopSignal: d.StopSignal,
			Labels:     map[string]string{PackagesLabel: lock.label()},
		},
	}
}

func (d Debian) accounts() (rootfs.Accounts, error) {
	var more []rootfs.Account
	for _, u := range d.Users {
		more = append(more, rootfs.Account{Name: u.Name, UID: u.ID, GID: u.ID, Home: cmp.Or(u.Home, "/")})
	}
	return rootfs.NewAccounts(more)
}

// layerSpec is where and for whom a layer is written.
type layerSpec struct {
	path, scratch string
	accounts      rootfs.Accounts
}

func (d Debian) writeLayer(ctx context.Context, debs cache.Entry, lock Lock, to layerSpec) (err error) {
	tree, err := rootfs.New(to.scratch, lock.Architecture)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	for _, p := range lock.Packages {
		file := debs.Path(p.FileName())
		if err := p.Check(file); err != nil {
			return err
		}
		if err := tree.AddDeb(ctx, p.Name, file); err != nil {
			return err
		}
	}
	if err := to.accounts.Write(tree); err != nil {
		return err
	}
	for _, f := range d.Files {
		if err := f.add(ctx, tree, to.accounts); err != nil {
			return fmt.Errorf("put file %s into it: %w", f.Path, err)
		}
	}
	for _, path := range sortedKeys(d.Links) {
		if err := tree.AddLink(path, d.Links[path]); err != nil {
			return fmt.Errorf("put link %s into it: %w", path, err)
		}
	}
	return tree.WriteTar(ctx, to.path)
}

func (f File) add(ctx context.Context, tree *rootfs.Tree, accounts rootfs.Accounts) error {
	owner, err := accounts.Owner(f.Owner)
	if err != nil {
		return err
	}
	bits := f.Mode &^ fs.ModeDir
	switch {
	case f.Mode.IsDir():
		return tree.AddFolder(f.Path, rootfs.Stat{Mode: cmp.Or(bits, 0o755), Owner: owner})
	case f.Source != "":
		info, err := os.Stat(f.Source)
		if err != nil {
			return err
		}
		return tree.CopyFile(ctx, f.Path, rootfs.Stat{Mode: cmp.Or(bits, info.Mode().Perm()), Owner: owner}, f.Source)
	}
	return tree.AddFile(f.Path, rootfs.Stat{Mode: cmp.Or(bits, 0o644), Owner: owner}, f.Content)
}

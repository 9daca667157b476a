package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Folder makes disks that are mounts below one folder, each a file system of
// its own, so that none can hold more than its size. It keeps no books: what
// there is, and how large, it reads from the mounts, so it knows as much after
// a restart as before.
//
// The mounts may be made elsewhere, in another mount namespace from which they
// are propagated to the one where Folder looks; Mount and Unmount must not
// return before they are seen there.
type Folder struct {
	// Root is the folder; it must exist.
	Root string
	// Mount makes a file system of at least so many bytes at a folder, to which
	// every user may write, or makes the one that is mounted there that large and
	// leaves its modes alone.
	Mount func(path string, bytes int64) error
	// Unmount takes it away, also while it is in use. Detach is one.
	Unmount func(path string) error
	// Capacity is how many bytes all disks may have together.
	Capacity int64

	mu sync.Mutex
}

var _ Disks = (*Folder)(nil)

// Make implements Disks.
func (f *Folder) Make(_ context.Context, name string, bytes int64) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.path(name)
	if err != nil {
		return "", err
	}
	had, err := f.size(path)
	if err == nil && bytes <= 0 {
		err = fmt.Errorf("a volume cannot have %d bytes", bytes)
	}
	if err != nil || had >= bytes {
		return path, err
	}
	usage, err := f.usage()
	if err != nil {
		return "", err
	}
	if more := bytes - had; more > usage.Free {
		return "", fmt.Errorf("not enough space for a volume of %s: %s of the node's %s are left", amount(bytes), amount(usage.Free+had), amount(f.Capacity))
	}
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("making the folder of a volume: %w", err)
	}
	if err := f.Mount(path, bytes); err != nil {
		_ = os.Remove(path) // stays when it is a mount that could not grow
		return "", fmt.Errorf("mounting a volume of %s: %w", amount(bytes), err)
	}
	return path, f.check(path, had, bytes)
}

// check holds a volume that was mounted to what was asked for. One that is too
// small must not look like one that is done; a new one goes again.
func (f *Folder) check(path string, had, bytes int64) error {
	has, err := f.size(path)
	if err != nil || has >= bytes {
		return err
	}
	err = fmt.Errorf("a volume of %s came out with %s", amount(bytes), amount(has))
	if had == 0 && has > 0 {
		err = errors.Join(err, f.Unmount(path), os.Remove(path))
	}
	return err
}

// Remove implements Disks.
func (f *Folder) Remove(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.path(name)
	if err != nil {
		return err
	}
	size, err := f.size(path)
	if err != nil {
		return err
	}
	if size > 0 {
		if err := f.Unmount(path); err != nil {
			return fmt.Errorf("unmounting a volume: %w", err)
		}
	}
	// Never the content: should the mount still be there, this fails.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the folder of a volume: %w", err)
	}
	return nil
}

// Usage implements Disks.
func (f *Folder) Usage(context.Context) (Usage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usage()
}

func (f *Folder) usage() (Usage, error) {
	entries, err := os.ReadDir(f.Root)
	if err != nil {
		return Usage{}, fmt.Errorf("listing volumes: %w", err)
	}
	u := Usage{Free: f.Capacity}
	for _, e := range entries {
		size, err := f.size(filepath.Join(f.Root, e.Name()))
		if err != nil {
			return Usage{}, err
		}
		u.Names, u.Free = append(u.Names, e.Name()), u.Free-size
	}
	return u, nil
}

// path is where a disk is mounted.
func (f *Folder) path(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, filepath.Separator) {
		return "", fmt.Errorf("%q cannot be the name of a volume", name)
	}
	return filepath.Join(f.Root, name), nil
}

// size is that of the file system which is mounted at a path; zero when there
// is none.
func (f *Folder) size(path string) (int64, error) {
	var root, here unix.Stat_t
	if err := unix.Stat(f.Root, &root); err != nil {
		return 0, fmt.Errorf("looking at the folder of volumes %s: %w", f.Root, err)
	}
	err := unix.Stat(path, &here)
	if errors.Is(err, fs.ErrNotExist) || err == nil && here.Dev == root.Dev {
		return 0, nil
	}
	var s unix.Statfs_t
	if err == nil {
		err = unix.Statfs(path, &s)
	}
	if err != nil {
		return 0, fmt.Errorf("looking at the volume %s: %w", path, err)
	}
	return int64(s.Blocks) * s.Bsize, nil
}

// amount is a size as people write it in a claim.
func amount(bytes int64) string {
	return resource.NewQuantity(max(bytes, 0), resource.BinarySI).String()
}

// Detach unmounts what is mounted at a path. Who still uses it keeps it until
// done.
func Detach(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmounting %s: %w", path, err)
	}
	return nil
}

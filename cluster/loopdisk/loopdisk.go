//go:build linux

// Package loopdisk makes disks of a bounded size: an ext4 in a file, mounted
// through a loop device that frees itself with the last mount. The file may have
// no name, and then goes with its last user; or it has one and is mounted again
// later.
//
// It keeps no books and does not say where files and mounts are.
package loopdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/cluster/capability"
	"squall/cluster/volumes"

	"golang.org/x/sys/unix"
)

// Options are what disks need of where they are made.
type Options struct {
	// Devices is a folder for nodes of loop devices; it is made. /dev may not
	// have one for a device that is new.
	Devices string
	// Tool runs programs of e2fsprogs; nil stands for [RunTool].
	Tool Tool
}

func (o Options) tool(file *os.File, name string, args ...string) error {
	if o.Tool == nil {
		return RunTool(file, name, args...)
	}
	return o.Tool(file, name, args...)
}

// Make makes a file system of so many bytes, see [Size], in an empty file and
// mounts it at a folder. Anybody may write to it. Nothing is mounted when it
// fails.
func Make(file *os.File, path string, bytes int64, o Options) (device string, err error) {
	if err := file.Truncate(bytes); err != nil {
		return "", fmt.Errorf("making the file behind a volume: %w", err)
	}
	if err := o.tool(file, "mkfs.ext4", mkfsArgs("/proc/self/fd/3")...); err != nil {
		return "", err
	}
	if device, err = Mount(file, path, o); err != nil {
		return "", err
	}
	if err := clearDisk(path); err != nil {
		return "", errors.Join(err, volumes.Detach(path))
	}
	return device, nil
}

// Mount mounts a file with a file system at a folder. No file may be mounted
// twice at a time: two devices would know nothing of each other.
func Mount(file *os.File, path string, o Options) (device string, err error) {
	loop, err := attach(file, o.Devices)
	if err != nil {
		return "", err
	}
	defer loop.Close() // the mount keeps the device from here on
	// minixdf: the size that is shown is the whole one.
	if err := unix.Mount(loop.Name(), path, "ext4", unix.MS_NODEV, "minixdf"); err != nil {
		return "", fmt.Errorf("mounting a volume at %s: %w", path, err)
	}
	return loop.Name(), nil
}

// mkfsArgs are the arguments of mkfs.ext4. There is no journal: a volume's file
// system never crashes without its host.
func mkfsArgs(path string) []string {
	return []string{"-q", "-F", "-m", "0", "-b", fmt.Sprint(blockSize),
		"-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", path}
}

// clearDisk makes a new file system look like a folder that anybody may use:
// whoever the container runs as may write, as with the provisioner that
// clusters made by kind have. Later it is left as the pods want it.
func clearDisk(path string) error {
	err := os.Remove(filepath.Join(path, "lost+found"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.Chmod(path, 0o777)); err != nil {
		return fmt.Errorf("clearing a new volume: %w", err)
	}
	return nil
}

// Grow makes a mounted file system so many bytes large, see [Size], with its file
// and device. One that is larger is left alone.
func Grow(file *os.File, device string, bytes int64, o Options) error {
	info, err := file.Stat()
	if err != nil || info.Size() > bytes {
		return err
	}
	// ext4_resize_begin in fs/ext4/resize.c of Linux asks for it.
	if !capability.SysResource() {
		return errors.New("growing a volume that is mounted needs CAP_SYS_RESOURCE, which this host withholds; make a larger claim and copy the data")
	}
	// Each step may be repeated: what failed half-way is carried on.
	if err := file.Truncate(bytes); err != nil {
		return fmt.Errorf("growing the file behind a volume: %w", err)
	}
	loop, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening a volume's device: %w", err)
	}
	defer loop.Close()
	if err := unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("growing a volume's device: %w", err)
	}
	return o.tool(loop, "resize2fs", device)
}

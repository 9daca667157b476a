package volumes_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tmpfs mounts a tmpfs of so many bytes at a path, or gives the one that is
// there that size. Programs on it are run as they are, devices are not; a
// container's own restrictions come on top.
func tmpfs(path string, bytes int64) error {
	var here, above unix.Stat_t
	if err := errors.Join(unix.Stat(path, &here), unix.Stat(filepath.Dir(path), &above)); err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	flags := uintptr(unix.MS_NODEV)
	if here.Dev != above.Dev {
		flags |= unix.MS_REMOUNT
	}
	// An empty file takes an inode and no page, so their number is bounded by
	// the volume's size as well; the default is half the pages of the host's
	// memory (Documentation/filesystems/tmpfs.rst in Linux).
	options := fmt.Sprintf("size=%d,nr_inodes=%d,mode=0777", bytes, max(1024, bytes/int64(os.Getpagesize())))
	if err := unix.Mount("squall-volume", path, "tmpfs", flags, options); err != nil {
		return fmt.Errorf("mounting a tmpfs (%s) at %s: %w", options, path, err)
	}
	return nil
}

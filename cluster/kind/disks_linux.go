package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"squall/cluster/loopdisk"
	"squall/cluster/volumes"
)

// disks are the node's volumes: each a file system of its own in a file on the
// node's disk, so that none can hold more than its size, and all are there again
// when the node is.
type disks struct {
	mu      sync.Mutex
	options loopdisk.Options
}

// newDisks keeps nodes of loop devices in /dev: /run allows none in a container.
func newDisks() *disks {
	return &disks{options: loopdisk.Options{Devices: "/dev/squall"}}
}

// backing is the file behind the volume at a path.
func backing(path string) string { return filepath.Join(backingDir, filepath.Base(path)+".ext4") }

// restore mounts the volumes that the node had when it was last on.
func (d *disks) restore() error {
	for _, folder := range []string{volumesDir, backingDir} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("making the folder for volumes: %w", err)
		}
	}
	folders, err := os.ReadDir(volumesDir)
	if err != nil {
		return fmt.Errorf("looking for volumes: %w", err)
	}
	var errs []error
	for _, f := range folders {
		path := filepath.Join(volumesDir, f.Name())
		file, err := os.OpenFile(backing(path), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was being removed
		}
		if err == nil {
			_, err = loopdisk.Mount(file, path, d.options)
			file.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("mounting the volume %s again: %w", f.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// mount makes a volume, or makes one that is there larger.
func (d *disks) mount(path string, bytes int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	file, err := os.OpenFile(backing(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("making the file behind a volume: %w", err)
	}
	defer file.Close()
	device, err := deviceAt(path)
	if err != nil {
		return err
	}
	bytes = loopdisk.Size(bytes)
	if device != "" {
		return loopdisk.Grow(file, device, bytes, d.options)
	}
	if _, err := loopdisk.Make(file, path, bytes, d.options); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// unmount takes a volume and its file away.
func (d *disks) unmount(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := volumes.Detach(path); err != nil {
		return err
	}
	if err := os.Remove(backing(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the file behind a volume: %w", err)
	}
	return nil
}

// deviceAt is the device that is mounted at a path; empty when none is.
func deviceAt(path string) (string, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("looking for a volume's device: %w", err)
	}
	device := ""
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == path {
			device = fields[0] // the last is on top
		}
	}
	return device, nil
}

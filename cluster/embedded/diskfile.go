//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"squall/cluster/volumes"

	"golang.org/x/sys/unix"
)

const (
	// blockSize is ext4's here; sizes are whole multiples, so that what is asked
	// for is what is there.
	blockSize = 4096
	// leastVolume is the smallest volume that is made: ext4 has fixed parts.
	leastVolume = 1 << 20
	// blockGroup is the size of ext4's groups of such blocks: as many as one
	// block has bits (mke2fs(8), -g).
	blockGroup = 8 * blockSize * blockSize
	// leastGroup is the smallest last group that is made here. mke2fs and
	// resize2fs leave one out that has too little beside its own tables:
	// at most 2048 blocks of inodes, 1024 for more groups, some bitmaps and 50
	// blocks (ext2fs_initialize in lib/ext2fs/initialize.c of e2fsprogs).
	leastGroup = 4096 * blockSize
	// toolTimeout bounds a program of e2fsprogs, so that the answer to an order is
	// in time.
	toolTimeout = 15 * time.Second
)

// volumeBytes is how large a volume must be so that it has so many bytes
// whatever its file system's last group is.
func volumeBytes(asked int64) int64 {
	bytes := max(leastVolume, (asked+blockSize-1)/blockSize*blockSize)
	if last := bytes % blockGroup; bytes > blockGroup && last > 0 && last < leastGroup {
		bytes += leastGroup - last
	}
	return bytes
}

// makeDisk mounts a new file system.
func (h *host) makeDisk(path string, bytes int64) (volume, error) {
	fd, err := unix.Open(backingDir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return volume{}, fmt.Errorf("making the file behind a volume: %w", err)
	}
	v := volume{file: os.NewFile(uintptr(fd), "volume")}
	if err := h.fillDisk(&v, path, bytes); err != nil {
		v.file.Close()
		return volume{}, err
	}
	return v, nil
}

// fillDisk makes a file system in a new volume's file and mounts it.
func (h *host) fillDisk(v *volume, path string, bytes int64) error {
	if err := v.file.Truncate(bytes); err != nil {
		return fmt.Errorf("making the file behind a volume: %w", err)
	}
	if err := h.tool(v.file, "mkfs.ext4", mkfsArgs("/proc/self/fd/3")...); err != nil {
		return err
	}
	loop, err := attachLoop(v.file)
	if err != nil {
		return err
	}
	defer loop.Close() // the mount keeps the device from here on
	v.device = loop.Name()
	// minixdf: the size that is shown is the whole one.
	if err := unix.Mount(v.device, path, "ext4", unix.MS_NODEV, "minixdf"); err != nil {
		return fmt.Errorf("mounting a volume at %s: %w", path, err)
	}
	if err := clearDisk(path); err != nil {
		return errors.Join(err, volumes.Detach(path))
	}
	return nil
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

// growDisk makes a mounted volume's file, device and file system larger.
func (h *host) growDisk(v volume, bytes int64) error {
	info, err := v.file.Stat()
	if err != nil || info.Size() > bytes {
		return err
	}
	// ext4_resize_begin in fs/ext4/resize.c of Linux asks for it.
	if !hasSysResource() {
		return errors.New("growing a volume that is mounted needs CAP_SYS_RESOURCE, which this host withholds; make a larger claim and copy the data")
	}
	// Each step may be repeated: what failed half-way is carried on.
	if err := v.file.Truncate(bytes); err != nil {
		return fmt.Errorf("growing the file behind a volume: %w", err)
	}
	loop, err := os.OpenFile(v.device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening a volume's device: %w", err)
	}
	defer loop.Close()
	if err := unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("growing a volume's device: %w", err)
	}
	return h.tool(loop, "resize2fs", v.device)
}

// tool runs a program of e2fsprogs with a file as its descriptor 3.
func (h *host) tool(file *os.File, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("volumes need %s: %w", name, err)
	}
	said, err := os.CreateTemp("", "squall-tool-*")
	if err != nil {
		return err
	}
	defer said.Close()
	defer os.Remove(said.Name())
	pid, ended, err := h.reaper.start(path, append([]string{name}, args...), &syscall.ProcAttr{
		Env:   partEnvironment(),
		Files: []uintptr{0, said.Fd(), said.Fd(), file.Fd()},
	})
	if err != nil {
		return err
	}
	status, err := h.endOf(pid, ended)
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	if status != 0 {
		return fmt.Errorf("%s %s: %s: %s", name, strings.Join(args, " "), describeStatus(status), strings.TrimSpace(tailOf(said, maxTail)))
	}
	return nil
}

// endOf waits for a program to end, and kills it when it takes too long: other
// orders wait for it.
func (h *host) endOf(pid int, ended <-chan syscall.WaitStatus) (syscall.WaitStatus, error) {
	late := time.NewTimer(toolTimeout)
	defer late.Stop()
	select {
	case status := <-ended:
		return status, nil
	case <-late.C:
		h.reaper.signal(pid, syscall.SIGKILL)
		return 0, fmt.Errorf("not done within %s; the host's disk may be overloaded", toolTimeout)
	}
}

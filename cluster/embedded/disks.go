//go:build linux

package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"squall/cluster/volumes"

	"golang.org/x/sys/unix"
)

// Volumes are file systems of their own, so that none can hold more than its
// size. The supervisor mounts them below the nodes' disks, from where they
// propagate into the nodes: a volume outlives its node's power-off. Behind each
// is a file on the host's disk without a name, through a loop device that frees
// itself: when the supervisor dies, nothing is left of either.
//
// What is written to a tmpfs would count against the memory of the pod that
// writes and could not be written back; a disk is not like that.

// Paths for volumes inside the cluster.
const (
	volumesSocket = clusterDir + "/volumes.sock"
	backingDir    = clusterDir + "/backing"
	volumesFolder = "volumes" // below a node's disk
	// blockSize is ext4's here; sizes are whole multiples, so that what is asked
	// for is what is there.
	blockSize = 4096
	// leastVolume is the smallest volume that is made: ext4 has fixed parts.
	leastVolume = 1 << 20
)

// nodeVolumes is the folder of a node's volumes.
func nodeVolumes(node string) string { return filepath.Join(disksDir, node, volumesFolder) }

// volume is a file system that the supervisor has mounted for a node.
type volume struct {
	file   *os.File // behind the device; it has no name
	device string
}

// diskOrder asks the supervisor to mount a volume or to change its size, or,
// with Bytes zero, to unmount it; the answer is a text, empty when it is done.
type diskOrder struct {
	Path  string
	Bytes int64
}

// diskTimeout bounds an order from end to end; making a file system takes some
// 50 ms.
const diskTimeout = 30 * time.Second

// askDisk sends an order to the supervisor, from a node.
func askDisk(o diskOrder) error {
	c, err := net.DialTimeout("unix", volumesSocket, diskTimeout)
	if err != nil {
		return fmt.Errorf("reaching the supervisor, which mounts volumes: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(diskTimeout)); err != nil {
		return err
	}
	var problem string
	if err := errors.Join(json.NewEncoder(c).Encode(o), json.NewDecoder(c).Decode(&problem)); err != nil {
		return fmt.Errorf("asking the supervisor, which mounts volumes: %w", err)
	}
	if problem != "" {
		return errors.New(problem)
	}
	return nil
}

// serveDisks takes orders for as long as the supervisor lives.
func (h *host) serveDisks() error {
	h.volumes = map[string]volume{}
	if err := mount(disksDir, disksDir, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.Mount("", disksDir, "", unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing the nodes' disks: %w", err)
	}
	l, err := net.Listen("unix", volumesSocket)
	if err != nil {
		return fmt.Errorf("opening the socket for volumes: %w", err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				time.Sleep(diskTimeout / 1000) // out of files: nothing announces that some are free again
				continue
			}
			h.takeDisk(c) // one at a time: loop devices are taken by number
		}
	}()
	return nil
}

func (h *host) takeDisk(c net.Conn) {
	defer c.Close()
	if c.SetDeadline(time.Now().Add(diskTimeout)) != nil {
		return
	}
	var o diskOrder
	if json.NewDecoder(c).Decode(&o) != nil {
		return
	}
	problem := ""
	if err := h.changeDisk(o); err != nil {
		problem = err.Error()
	}
	_ = json.NewEncoder(c).Encode(problem) // who asked may be gone, and asks again
}

// changeDisk carries an order out.
func (h *host) changeDisk(o diskOrder) error {
	if ok, err := filepath.Match(nodeVolumes("*")+"/*", o.Path); !ok || err != nil || o.Path != filepath.Clean(o.Path) {
		return fmt.Errorf("%q is no place for a volume", o.Path)
	}
	h.mounting.Lock()
	defer h.mounting.Unlock()
	if o.Bytes == 0 {
		return h.forgetDisk(o.Path)
	}
	bytes := max(leastVolume, (o.Bytes+blockSize-1)/blockSize*blockSize)
	if v, ok := h.volumes[o.Path]; ok {
		return h.growDisk(v, bytes)
	}
	v, err := h.makeDisk(o.Path, bytes)
	if err == nil {
		h.volumes[o.Path] = v
	}
	return err
}

// forgetDisk unmounts a volume. The device frees itself when the last mount of
// it goes.
func (h *host) forgetDisk(path string) error {
	v, ok := h.volumes[path]
	if !ok {
		return nil
	}
	if err := volumes.Detach(path); err != nil {
		return err
	}
	delete(h.volumes, path)
	return v.file.Close()
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
	// No journal: a volume's file system never crashes without its host.
	if err := h.tool(v.file, "mkfs.ext4", "-q", "-F", "-m", "0", "-b", fmt.Sprint(blockSize),
		"-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", "/proc/self/fd/3"); err != nil {
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
	if err := os.Remove(filepath.Join(path, "lost+found")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clearing a new volume: %w", err)
	}
	return nil
}

// growDisk makes a mounted volume's file, device and file system larger.
func (h *host) growDisk(v volume, bytes int64) error {
	if info, err := v.file.Stat(); err != nil || info.Size() >= bytes {
		return err
	}
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
	_, ended, err := h.reaper.start(path, append([]string{name}, args...), &syscall.ProcAttr{
		Env:   partEnvironment(),
		Files: []uintptr{0, said.Fd(), said.Fd(), file.Fd()},
	})
	if err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return fmt.Errorf("%s %s: %s: %s", name, strings.Join(args, " "), describeStatus(status), strings.TrimSpace(tailOf(said, maxTail)))
	}
	return nil
}

// volumeSpace is how many bytes the volumes of each of so many nodes may have
// together: an equal share of what is free on the disk of a folder, which is
// made, beyond what must stay free.
func volumeSpace(folder string, nodes int) (int64, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return 0, fmt.Errorf("making the folder for volumes: %w", err)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return 0, fmt.Errorf("asking how much is free under %s: %w", folder, err)
	}
	size := float64(disk.Blocks-disk.Bfree+disk.Bavail) * float64(disk.Bsize)
	free := float64(disk.Bavail)*float64(disk.Bsize) - leastFree*size
	return int64(max(free, 0)) / int64(nodes), nil
}

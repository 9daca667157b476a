//go:build linux

package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"squall/cluster/loopdisk"
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
)

// nodeVolumes is the folder of a node's volumes.
func nodeVolumes(node string) string { return filepath.Join(disksDir, node, volumesFolder) }

// volume is a file system that the supervisor has mounted for a node.
type volume struct {
	file   *os.File // behind the device; it has no name
	device string
}

// diskOrder asks the supervisor to mount a volume or to make it larger, or to
// unmount it; the answer is a text, empty when it is done.
type diskOrder struct {
	Path    string
	Bytes   int64
	Unmount bool
}

// Making a file system takes some 50 ms.
const (
	// diskTimeout bounds an order from end to end; it is less than what volumes
	// gives one attempt.
	diskTimeout = 20 * time.Second
	// talkTimeout bounds saying an order, and saying its answer.
	talkTimeout = 5 * time.Second
)

// askDisk sends an order to the supervisor, from a node.
func askDisk(o diskOrder) error {
	deadline := time.Now().Add(diskTimeout)
	c, err := (&net.Dialer{Deadline: deadline}).Dial("unix", volumesSocket)
	if err != nil {
		return fmt.Errorf("reaching the supervisor, which mounts volumes: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(deadline); err != nil {
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
	go acceptAll(l, h.takeDisk)
	return nil
}

func (h *host) takeDisk(c net.Conn) {
	defer c.Close()
	if c.SetDeadline(time.Now().Add(talkTimeout)) != nil {
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
	if c.SetDeadline(time.Now().Add(talkTimeout)) != nil {
		return
	}
	_ = json.NewEncoder(c).Encode(problem) // who asked may be gone, and asks again
}

// changeDisk carries an order out, one at a time: loop devices are taken by
// number.
func (h *host) changeDisk(o diskOrder) error {
	if ok, err := filepath.Match(nodeVolumes("*")+"/*", o.Path); !ok || err != nil || o.Path != filepath.Clean(o.Path) {
		return fmt.Errorf("%q is no place for a volume", o.Path)
	}
	h.mounting.Lock()
	defer h.mounting.Unlock()
	if o.Unmount {
		return h.forgetDisk(o.Path)
	}
	if o.Bytes <= 0 {
		return fmt.Errorf("a volume cannot have %d bytes", o.Bytes)
	}
	v, ok := h.volumes[o.Path]
	if err := roomFor(v, o.Bytes); err != nil {
		return err
	}
	if ok {
		return loopdisk.Grow(v.file, v.device, loopdisk.Size(o.Bytes), h.diskOptions())
	}
	v, err := h.makeDisk(o.Path, loopdisk.Size(o.Bytes))
	if err == nil {
		h.volumes[o.Path] = v
	}
	return err
}

// roomFor refuses what the host's disk has no room for, beyond what must stay
// free: others may have filled it since the cluster started.
func roomFor(v volume, bytes int64) error {
	more := bytes
	if v.file != nil {
		info, err := v.file.Stat()
		if err != nil {
			return fmt.Errorf("looking at the file behind a volume: %w", err)
		}
		more -= info.Size()
	}
	left, err := volumeSpace(backingDir, 1)
	if err != nil || more <= left {
		return err
	}
	return fmt.Errorf("the host's disk has too little space for a volume of %d MiB: %d MiB are left of it beyond the %.0f %% that stay free; free some of it",
		bytes>>20, left>>20, leastFree*100)
}

// forgetDisk unmounts a volume. The device frees itself when the last mount of
// it goes.
func (h *host) forgetDisk(path string) error {
	v, ok := h.volumes[path]
	if !ok {
		return detachUnknown(path)
	}
	if err := volumes.Detach(path); err != nil {
		return err
	}
	delete(h.volumes, path)
	return v.file.Close()
}

// detachUnknown unmounts what may be mounted at a path that is no volume's: its
// making failed half-way.
func detachUnknown(path string) error {
	err := volumes.Detach(path)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, fs.ErrNotExist) { // it is no mount, or not there
		return nil
	}
	return err
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

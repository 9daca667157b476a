//go:build linux

package loopdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// loopMajor is the major number of loop devices (admin-guide/devices.txt in
// Linux).
const loopMajor = 7

// attach puts a loop device in front of a file. The device frees itself once
// it is neither open nor mounted.
func attach(file *os.File, devices string) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("volumes need loop devices: %w", err)
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("finding a free loop device: %w", err)
		}
		device, err := openDevice(devices, number)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &unix.LoopConfig{
			Fd:   uint32(file.Fd()),
			Size: blockSize, // of a block of the device
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // somebody on the host was faster
			return nil, fmt.Errorf("attaching %s: %w", device.Name(), err)
		}
	}
}

// openDevice opens a loop device by number, under a node of our own: /dev is the
// host's, which may not have one for a device that is new.
func openDevice(devices string, number int) (*os.File, error) {
	path := filepath.Join(devices, fmt.Sprintf("loop%d", number))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(loopMajor, uint32(number))))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the device node %s: %w", path, err)
	}
	device, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the loop device %s: %w", path, err)
	}
	return device, nil
}

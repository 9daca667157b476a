//go:build linux

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"squall/cluster/loopdisk"

	"golang.org/x/sys/unix"
)

// diskOptions are how the supervisor makes disks.
func (h *host) diskOptions() loopdisk.Options {
	return loopdisk.Options{Devices: filepath.Join(clusterDir, "dev"), Tool: h.tool}
}

// makeDisk mounts a new file system, in a file without a name.
func (h *host) makeDisk(path string, bytes int64) (volume, error) {
	fd, err := unix.Open(backingDir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return volume{}, fmt.Errorf("making the file behind a volume: %w", err)
	}
	file := os.NewFile(uintptr(fd), "volume")
	device, err := loopdisk.Make(file, path, bytes, h.diskOptions())
	if err != nil {
		file.Close()
		return volume{}, err
	}
	return volume{file: file, device: device}, nil
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
	late := time.NewTimer(loopdisk.ToolTimeout)
	defer late.Stop()
	select {
	case status := <-ended:
		return status, nil
	case <-late.C:
		h.reaper.signal(pid, syscall.SIGKILL)
		return 0, loopdisk.TooSlow()
	}
}

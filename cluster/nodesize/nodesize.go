//go:build linux

// Package nodesize makes a node look as large as it is held to. It changes what
// the processes of a mount namespace see, and enforces nothing: that is up to
// control groups.
package nodesize

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// Present makes the node look as if it had so many processors and so many bytes
// of memory; 0 leaves the host's. A kubelet advertises what it finds: the memory
// in /proc/meminfo and the processors under /sys/devices/system/cpu (cAdvisor
// v0.56: machine/machine.go, utils/sysinfo/sysinfo.go). The mount namespace must
// be the node's own.
func Present(cpu, memory int64) error {
	if cpu > 0 {
		if err := presentProcessors(cpu); err != nil {
			return fmt.Errorf("presenting %d processors: %w", cpu, err)
		}
	}
	if memory > 0 {
		if err := presentMemory(memory); err != nil {
			return fmt.Errorf("presenting %d bytes of memory: %w", memory, err)
		}
	}
	return nil
}

// presentProcessors puts a folder with one entry a processor in place of the
// real one, and hides the NUMA nodes, whose processors are the host's.
func presentProcessors(count int64) error {
	const dir = "/sys/devices/system/cpu"
	if err := hide("/sys/devices/system/node", "mode=755,size=64k"); err != nil {
		return err
	}
	if err := hide(dir, "mode=755,size=1m"); err != nil {
		return err
	}
	all := "0"
	if count > 1 {
		all = fmt.Sprintf("0-%d", count-1)
	}
	files := map[string]string{"online": all, "possible": all, "present": all}
	for i := range count {
		topology := fmt.Sprintf("cpu%d/topology", i)
		files[topology+"/core_id"] = strconv.FormatInt(i, 10)
		files[topology+"/physical_package_id"] = "0"
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o444); err != nil {
			return err
		}
	}
	return nil
}

// hide puts an empty folder in the place of another.
func hide(dir, options string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the mount point %s: %w", dir, err)
	}
	if err := unix.Mount("squall", dir, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mounting a tmpfs on %s: %w", dir, err)
	}
	return nil
}

// memoryLines are the lines of /proc/meminfo that tell a machine's size.
var memoryLines = regexp.MustCompile(`(?m)^(MemTotal|MemFree|MemAvailable|SwapTotal|SwapFree):\s+(\d+) kB$`)

// presentMemory puts a copy of /proc/meminfo in its own place that is cut down
// to a size.
func presentMemory(bytes int64) error {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	const copied = "/run/squall-meminfo"
	if err := os.WriteFile(copied, cutMemory(b, bytes/1024), 0o444); err != nil {
		return err
	}
	if err := unix.Mount(copied, "/proc/meminfo", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting /proc/meminfo: %w", err)
	}
	return nil
}

// cutMemory returns a meminfo in which no size is above total kB and there is
// no swap.
func cutMemory(meminfo []byte, total int64) []byte {
	return memoryLines.ReplaceAllFunc(meminfo, func(line []byte) []byte {
		m := memoryLines.FindSubmatch(line)
		kb, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil || kb > total || string(m[1]) == "MemTotal" {
			kb = total
		}
		if m[1][0] == 'S' {
			kb = 0
		}
		return fmt.Appendf(nil, "%-16s%8d kB", string(m[1])+":", kb)
	})
}

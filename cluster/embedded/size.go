//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// presentSize makes the node look as large as it is held to, since a kubelet
// advertises what it finds: the memory in /proc/meminfo and the processors under
// /sys/devices/system/cpu (cAdvisor v0.56: machine/machine.go,
// utils/sysinfo/sysinfo.go).
func presentSize(n nodeConfig) error {
	if n.CPU > 0 {
		if err := presentProcessors(n.CPU); err != nil {
			return fmt.Errorf("presenting %d processors: %w", n.CPU, err)
		}
	}
	if n.Memory > 0 {
		if err := presentMemory(n.Memory); err != nil {
			return fmt.Errorf("presenting %d bytes of memory: %w", n.Memory, err)
		}
	}
	return nil
}

// presentProcessors puts a folder with one entry a processor in place of the
// real one, and hides the NUMA nodes, whose processors are the host's.
func presentProcessors(count int64) error {
	const dir = "/sys/devices/system/cpu"
	if err := mount("squall", "/sys/devices/system/node", "tmpfs", 0, "mode=755,size=64k"); err != nil {
		return err
	}
	if err := mount("squall", dir, "tmpfs", 0, "mode=755,size=1m"); err != nil {
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

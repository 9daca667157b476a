//go:build linux

package embedded

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// programRoots are the folders that programs and their libraries lie in.
func programRoots() []string { return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"} }

// separateMounts reads the lines of a mountinfo and lists the mounts in which
// the host's programs may lie beside its root file system, parents first. The
// overlay that a cluster's root is sees the root file system alone, so these are
// bound into it.
func separateMounts(lines []string) []string {
	var points []string
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) < 5 || slices.Contains(points, fields[4]) {
			continue
		}
		if slices.ContainsFunc(programRoots(), func(root string) bool { return strings.HasPrefix(fields[4]+"/", root+"/") }) {
			points = append(points, fields[4])
		}
	}
	return points
}

// findSeparateMounts is separateMounts for this host.
func findSeparateMounts() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	defer f.Close()
	var lines []string
	for scan := bufio.NewScanner(f); scan.Scan(); {
		lines = append(lines, scan.Text())
	}
	return separateMounts(lines), nil
}

// bindSeparate binds the mounts that hold the host's programs into a root,
// read-only.
func bindSeparate(root string) error {
	points, err := findSeparateMounts()
	if err != nil {
		return err
	}
	for _, point := range points {
		if info, err := os.Stat(point); err != nil || !info.IsDir() {
			continue // a single file that is bound over another, which is there
		}
		if err := bindReadOnly(point, root+point); err != nil {
			return fmt.Errorf("showing %s to the nodes: %w", point, err)
		}
	}
	return nil
}

//go:build linux

package embedded

import (
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
		if len(fields) < 5 {
			continue
		}
		point := plainPath(fields[4])
		below := func(root string) bool { return strings.HasPrefix(point+"/", root+"/") }
		if !slices.Contains(points, point) && slices.ContainsFunc(programRoots(), below) {
			points = append(points, point)
		}
	}
	return points
}

// findSeparateMounts is separateMounts for this host.
func findSeparateMounts() ([]string, error) {
	lines, err := mountLines()
	if err != nil {
		return nil, err
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

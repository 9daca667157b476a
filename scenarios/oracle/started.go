package oracle

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Started reads the flags with which the [Components] that run here were started,
// by component, from a mounted procfs. A component that does not run is absent.
func Started(procfs string) (map[string]map[string]string, error) {
	lines, err := filepath.Glob(filepath.Join(procfs, "[0-9]*", "cmdline"))
	if err != nil {
		return nil, fmt.Errorf("list the processes in %s: %w", procfs, err)
	}
	started := map[string]map[string]string{}
	for _, path := range lines {
		raw, err := os.ReadFile(path)
		if err != nil || len(raw) == 0 {
			continue // it ended meanwhile, or is the kernel's
		}
		var args []string
		for arg := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte{0}), []byte{0}) {
			args = append(args, string(arg))
		}
		if name := filepath.Base(args[0]); slices.Contains(Components(), name) {
			started[name] = FlagsOf(args[1:])
		}
	}
	if len(started) == 0 {
		return nil, fmt.Errorf("none of %s runs here", strings.Join(Components(), ", "))
	}
	return started, nil
}

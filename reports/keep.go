package reports

import (
	"fmt"
	"os"
	"path/filepath"
)

// What a record's folder holds beside the record, for people: no verdict comes
// from it.
const (
	// FileWorkloads is what was applied, as YAML.
	FileWorkloads = "workloads.yaml"
	// FolderLogs has the containers' logs: POD/CONTAINER.log, and
	// POD/CONTAINER.previous.log of the run before the last restart. Each line
	// begins with its time, as "kubectl logs --timestamps" shows it.
	FolderLogs = "logs"
)

// Keep writes a file into a record's folder, for its owner alone: who may read
// a verdict may not, for that, read what programs say. A name that leads out of
// the folder is refused. What the data must not hold is the caller's business.
func Keep(dir, name string, data []byte) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("keep %q with the record: the name leads out of its folder", name)
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep %q with the record: %w", name, err)
	}
	if err := writeFile(path, data, 0o600); err != nil {
		return fmt.Errorf("keep %q with the record: %w", name, err)
	}
	return nil
}

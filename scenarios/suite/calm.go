package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/reports"
)

// CalmFolder is where results of calm runs are kept, in the folder of records.
// Its name begins with a dot so that "runs/*" means records alone.
const CalmFolder = ".calm"

// keep holds the results of calm runs by the digest of what was run, so that
// they are repeated only when it changes. A result of another version of Squall
// or another provider counts as absent.
//
// The folder often belongs to a user while Squall is root. So nothing here
// follows a link out of it, and what is read from it is taken for a result and
// never for a place.
type keep struct{ folder, version, provider string }

// kept is a calm result as it is kept.
type kept struct {
	Version  string          `json:"version"`
	Provider string          `json:"provider"`
	Record   string          `json:"record"` // name of the record's folder, which may be gone
	Verdict  reports.Verdict `json:"verdict"`
}

// name is a result's file, inside the folder of records.
func (k keep) name(digest string) string { return filepath.Join(CalmFolder, digest+".json") }

// read returns what was kept; dir is empty when the record is gone. What cannot
// be read counts as absent: the run is then simply made again.
func (k keep) read(digest string) (dir string, v reports.Verdict, ok bool) {
	root, err := os.OpenRoot(k.folder)
	if err != nil {
		return "", reports.Verdict{}, false
	}
	defer root.Close()
	b, err := root.ReadFile(k.name(digest))
	if err != nil {
		return "", reports.Verdict{}, false
	}
	var one kept
	if json.Unmarshal(b, &one) != nil || one.Version != k.version || one.Provider != k.provider || !one.Verdict.Calm {
		return "", reports.Verdict{}, false
	}
	if isRecord(root, one.Record) {
		dir = filepath.Join(k.folder, one.Record)
	}
	return dir, one.Verdict, true
}

// isRecord tells whether name is that of a record right in the folder.
func isRecord(root *os.Root, name string) bool {
	if name != filepath.Base(name) || !filepath.IsLocal(name) || name == "." {
		return false
	}
	folder, err := root.Lstat(name)
	if err != nil || !folder.IsDir() {
		return false
	}
	_, err = root.Lstat(filepath.Join(name, reports.FileRecord))
	return err == nil
}

// write keeps a result, so that nobody sees half of it. It returns what it made
// that was not there.
func (k keep) write(digest, dir string, v reports.Verdict) (made []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep the result of the calm run %s: %w", dir, err)
		}
	}()
	b, err := json.MarshalIndent(kept{Version: k.version, Provider: k.provider, Record: filepath.Base(dir), Verdict: v}, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(k.folder, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(k.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	switch err := root.Mkdir(CalmFolder, 0o755); {
	case err == nil:
		made = append(made, filepath.Join(k.folder, CalmFolder))
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	return append(made, filepath.Join(k.folder, k.name(digest))), replace(root, k.name(digest), b)
}

// replace writes a file in one step.
func replace(root *os.Root, name string, data []byte) error {
	tmp := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err := root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	return nil
}

package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"squall/reports"
)

// keep holds the results of calm runs by the digest of what was run, so that
// they are repeated only when it changes. A result of another version of Squall
// or another provider counts as absent.
type keep struct{ folder, version, provider string }

// kept is a calm result as it is kept.
type kept struct {
	Version  string          `json:"version"`
	Provider string          `json:"provider"`
	Dir      string          `json:"dir"` // of the record, which may be gone
	Verdict  reports.Verdict `json:"verdict"`
}

func (k keep) path(digest string) string {
	return filepath.Join(k.folder, "calm", digest+".json")
}

// read returns what was kept. What cannot be read counts as absent: the run is
// then simply made again.
func (k keep) read(digest string) (dir string, v reports.Verdict, ok bool) {
	b, err := os.ReadFile(k.path(digest))
	if err != nil {
		return "", reports.Verdict{}, false
	}
	var one kept
	if json.Unmarshal(b, &one) != nil || one.Version != k.version || one.Provider != k.provider || !one.Verdict.Calm {
		return "", reports.Verdict{}, false
	}
	return one.Dir, one.Verdict, true
}

// write keeps a result, in one step.
func (k keep) write(digest, dir string, v reports.Verdict) error {
	b, err := json.MarshalIndent(kept{Version: k.version, Provider: k.provider, Dir: dir, Verdict: v}, "", "  ")
	if err == nil {
		err = replace(k.path(digest), b)
	}
	if err != nil {
		return fmt.Errorf("keep the result of the calm run %s: %w", dir, err)
	}
	return nil
}

// replace writes a file so that nobody sees half of it.
func replace(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".calm-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

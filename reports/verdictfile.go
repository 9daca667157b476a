package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteVerdict writes v into the record's folder dir, in one step, over the one
// that may be there.
func WriteVerdict(dir string, v Verdict) error {
	var out bytes.Buffer
	if err := encode(&out, v); err != nil {
		return fmt.Errorf("write the verdict: %w", err)
	}
	if err := writeFile(filepath.Join(dir, FileVerdict), out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the verdict: %w", err)
	}
	return nil
}

// ReadVerdict reads the verdict in the record's folder dir. Its error is
// fs.ErrNotExist when the run was never judged.
func ReadVerdict(dir string) (Verdict, error) {
	path := filepath.Join(dir, FileVerdict)
	raw, err := os.ReadFile(path)
	if err != nil {
		return Verdict{}, fmt.Errorf("read the verdict (squall judge %s makes it): %w", dir, err)
	}
	var v Verdict
	if err := json.Unmarshal(raw, &v); err != nil {
		return Verdict{}, fmt.Errorf("%s is no verdict: %w", path, err)
	}
	switch v.Outcome {
	case Pass, Fail, Inconclusive, Error:
		return v, nil
	}
	return Verdict{}, fmt.Errorf("%s is no verdict: its outcome is %q", path, v.Outcome)
}

// JSON writes the verdicts as a JSON array, durations in nanoseconds. What
// never happened is 9223372036854775807, see [Never].
func JSON(w io.Writer, vs []Verdict) error {
	if vs == nil {
		vs = []Verdict{} // an empty list and not null
	}
	if err := encode(w, vs); err != nil {
		return fmt.Errorf("write the verdicts as JSON: %w", err)
	}
	return nil
}

// encode writes v as indented JSON that people can read: "<=" stays "<=".
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

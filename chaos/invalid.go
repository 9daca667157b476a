package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing wrong with a fault object.
type Finding struct {
	// Path is the place in the object, for example
	// "spec.selector.labelSelectors[app]"; empty for the object itself.
	Path string
	// Message says what is wrong there, with the value and the allowed ones.
	Message string
}

// InvalidError is everything that is wrong with a fault object, sorted by
// path.
type InvalidError struct {
	Findings []Finding
}

// Error lists the findings, one a line.
func (e *InvalidError) Error() string {
	lines := make([]string, 0, len(e.Findings))
	for _, f := range e.Findings {
		if f.Path == "" {
			lines = append(lines, f.Message)
			continue
		}
		lines = append(lines, f.Path+": "+f.Message)
	}
	return strings.Join(lines, "\n")
}

// findings collects what is wrong while an object is read.
type findings struct {
	list []Finding
}

func (f *findings) add(path, format string, args ...any) {
	f.list = append(f.list, Finding{Path: path, Message: fmt.Sprintf(format, args...)})
}

// at tells whether something was already found at the path or above it, so
// that one mistake is not told twice.
func (f *findings) at(path string) bool {
	return slices.ContainsFunc(f.list, func(old Finding) bool {
		rest, ok := strings.CutPrefix(path, old.Path)
		return ok && (rest == "" || old.Path == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// err is nil when nothing was found.
func (f *findings) err() error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return &InvalidError{Findings: f.list}
}

// oneOf writes a set of allowed values for a message.
func oneOf[S ~string](allowed []S) string {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	return strings.Join(words, ", ")
}

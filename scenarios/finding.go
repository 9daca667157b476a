package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFindings bounds how many findings of one file are kept: enough to repair
// any file a person wrote, few enough that a hostile one cannot fill memory.
const maxFindings = 200

// Finding is one thing that is wrong with a scenario file.
type Finding struct {
	File   string `json:"file"`
	Line   int    `json:"line"`             // counted from 1; 0 when it concerns the whole file
	Column int    `json:"column,omitempty"` // counted from 1; 0 when it is not known
	// Path addresses the field by names, as in spec.timeline[kill].at; empty
	// when the finding concerns the whole file.
	Path string `json:"path,omitempty"`
	// Twin is the twin whose patch makes the finding, empty when the scenario
	// itself has it.
	Twin string `json:"twin,omitempty"`
	// Value is what stands there, shortened; empty when nothing does.
	Value string `json:"value,omitempty"`
	// Problem says what is wrong and, where that helps, the way out.
	Problem string `json:"problem"`
	// Allowed are the values that would be accepted, when they can be listed.
	Allowed []string `json:"allowed,omitempty"`
	// Suggest is the allowed value that is nearest to Value, when one is near.
	Suggest string `json:"suggest,omitempty"`
}

// String is the finding on one line: file:line:column: path: value: problem.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
		if f.Column > 0 {
			fmt.Fprintf(&b, ":%d", f.Column)
		}
	}
	if f.Twin != "" {
		fmt.Fprintf(&b, ": twin %q", f.Twin)
	}
	for _, part := range []string{f.Path, f.Value, f.Problem} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if len(f.Allowed) > 0 {
		b.WriteString("; allowed: " + strings.Join(f.Allowed, ", "))
	}
	if f.Suggest != "" {
		fmt.Fprintf(&b, "; did you mean %q?", f.Suggest)
	}
	return b.String()
}

// InvalidError says that a scenario file is not valid, and all that is wrong
// with it.
type InvalidError struct {
	Findings []Finding // by line and column; never empty
	// More is the number of findings beyond those kept.
	More int
}

// Error lists the findings, one a line.
func (e *InvalidError) Error() string {
	lines := make([]string, 0, len(e.Findings)+1)
	for _, f := range e.Findings {
		lines = append(lines, f.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// findings collects what is wrong with one file.
type findings struct {
	file string
	list []Finding
	more int
	// seen holds what was said already, so that a twin does not repeat what
	// the scenario itself has.
	seen map[string]bool
}

// newFindings returns an empty collection for the file of that name.
func newFindings(file string) *findings {
	return &findings{file: file, seen: map[string]bool{}}
}

// add keeps a finding at a node's place, which may be nil, unless the same was
// said there before.
func (f *findings) add(n *yaml.Node, found Finding) {
	found.File = f.file
	if n != nil {
		found.Line, found.Column = n.Line, n.Column
	}
	key := fmt.Sprintf("%d:%d %s %s %s", found.Line, found.Column, found.Path, found.Value, found.Problem)
	if f.seen[key] {
		return
	}
	if len(f.list) >= maxFindings {
		f.more++
		return
	}
	f.seen[key] = true
	if found.Suggest == "" {
		found.Suggest = nearest(strings.Trim(found.Value, `"`), found.Allowed)
	}
	f.list = append(f.list, found)
}

// err is nil, or all findings as an *InvalidError in the order of the file.
func (f *findings) err() error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &InvalidError{Findings: f.list, More: f.more}
}

// nearest returns the name that a slip of the fingers could have turned into
// got, or nothing when none is near.
func nearest(got string, names []string) string {
	if got == "" || len(got) > 64 {
		return ""
	}
	best, distance := "", slips(got)+1
	for _, name := range names {
		if len(name) > 64 || name == got {
			continue
		}
		if d := editDistance(strings.ToLower(got), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// slips is how many edits of a text of this length pass as slips; two swapped
// letters are two edits.
func slips(got string) int {
	if len(got) < 4 {
		return 1
	}
	return max(2, len(got)/3)
}

// editDistance counts the insertions, deletions and replacements of bytes that
// turn a into b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

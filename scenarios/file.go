package scenarios

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// File is a valid scenario file.
type File struct {
	// Name is the file as the caller named it.
	Name string
	// Scenario is the scenario itself, defaults filled in.
	Scenario *Scenario
	// Twins are the twins that are switched on, in the order of the file: each
	// a whole valid scenario with its patch applied, Twin and Breaks set and no
	// twins of its own.
	Twins []*Scenario
}

// Checker says what is wrong with an expectation of a scenario, or nil. An
// error that joins several becomes one finding each. It is called for each
// expectation of Steady and Expect and each condition of Abort and of the
// timeline's When, which have Condition set, of the scenario and of each twin; what else
// is wrong with the scenario has not been ruled out by then.
type Checker func(s *Scenario, e Expectation) error

// Option changes how a file is parsed.
type Option func(*options)

// options are what the options set.
type options struct{ check Checker }

// WithChecker has every expectation checked. Without it the text of an
// expectation is accepted unread.
func WithChecker(check Checker) Option { return func(o *options) { o.check = check } }

// LoadFile reads and parses the file at path. It reads at most [MaxSize] bytes, and
// only of a regular file. What is wrong with the content is an *InvalidError.
func LoadFile(path string, opts ...Option) (*File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read scenario %s: there is no such file", path)
	case err != nil:
		return nil, fmt.Errorf("read scenario: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("read scenario %s: it is a folder; name one file in it", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("read scenario %s: it is not a regular file; write the scenario to one", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	file, err := Parse(path, data, opts...)
	if err != nil {
		return nil, err
	}
	for _, s := range append([]*Scenario{file.Scenario}, file.Twins...) {
		s.Folder = filepath.Dir(path)
	}
	return file, nil
}

// Parse reads a scenario and its twins from data. Name stands for the file in
// findings. The error is an *InvalidError with everything that is wrong.
func Parse(name string, data []byte, opts ...Option) (*File, error) {
	var o options
	for _, set := range opts {
		set(&o)
	}
	found := newFindings(name)
	root := parseTree(data, found)
	if root == nil {
		return nil, found.err()
	}
	base := &reading{found: found, check: o.check}
	file := &File{Name: name, Scenario: base.read(root)}
	for _, twin := range file.Scenario.Spec.Twins {
		if s := base.readTwin(root, twin); s != nil && twin.On() {
			file.Twins = append(file.Twins, s)
		}
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	return file, nil
}

// document is a file as it is written: a scenario, or a twin of one as a record
// keeps it.
type document struct {
	APIVersion string    `yaml:"apiVersion"`
	Kind       string    `yaml:"kind"`
	Metadata   Metadata  `yaml:"metadata"`
	Twin       *twinMark `yaml:"twin,omitempty"`
	Spec       Spec      `yaml:"spec"`
}

// twinMark is the stanza that [Scenario.Marshal] writes for a twin: its patch
// is applied already, so only its name and what it must break are left to say.
type twinMark struct {
	Name   string   `yaml:"name"`
	Breaks []string `yaml:"breaks"`
}

// reading is one file on its way from a tree to scenarios.
type reading struct {
	found  *findings
	check  Checker
	twin   string   // the twin whose patch is in the tree
	breaks []string // what that twin must break
	edges  *decoder // where the paths of the scenario itself stand
	// partial is set when a part of the patch could not be applied. Then only
	// the shape is checked: the rest would be judged without that part.
	partial bool
}

// read decodes, completes and checks the scenario in the tree at root.
func (r *reading) read(root *yaml.Node) *Scenario {
	d := newDecoder(r.found, r.twin)
	var doc document
	d.mark("", nil, root)
	d.value(root, "", reflect.ValueOf(&doc).Elem())
	s := &Scenario{APIVersion: doc.APIVersion, Kind: doc.Kind, Metadata: doc.Metadata, Spec: doc.Spec, Twin: r.twin, Breaks: r.breaks}
	if doc.Twin != nil {
		s.Twin, s.Breaks = doc.Twin.Name, doc.Twin.Breaks
	}
	fillDefaults(s, d.has)
	c := checker{d: d, s: s, check: r.check}
	if !r.partial {
		c.all()
	}
	if doc.Twin != nil {
		c.twinMark()
	}
	r.edges = d
	return s
}

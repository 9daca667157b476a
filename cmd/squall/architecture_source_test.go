package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// module is the name of this module, with a slash.
const modulePrefix = "squall/"

// source is one parsed Go file of the module, for whatever system it is built.
type source struct {
	folder string // "chaos/chaostest"
	test   bool
	ast    *ast.File
	fset   *token.FileSet
}

// at writes a place in the file.
func (s source) at(node ast.Node) string {
	p := s.fset.Position(node.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// readModule parses all Go files of the module; like the go command it leaves
// out testdata, hidden folders and modules inside. It reads files instead of
// asking the go command, since that sees one operating system at a time.
func readModule(t *testing.T, files fs.FS) []source {
	t.Helper()
	var module []source
	fset := token.NewFileSet()
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(files, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		module = append(module, source{path.Dir(name), strings.HasSuffix(name, "_test.go"), parsed, fset})
		return nil
	})
	require.NoError(t, err)
	return module
}

func skipFolder(files fs.FS, name string) error {
	base := path.Base(name)
	if base == "testdata" || len(base) > 1 && strings.ContainsAny(base[:1], "._") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(files, path.Join(name, "go.mod")); err == nil && name != "." {
		return fs.SkipDir
	}
	return nil
}

// breakage is a module of one file that breaks a rule, or just does not.
type breakage struct {
	file   string // "chaos/a.go"
	source string // without its package clause, which is "package p"
	says   string // part of the finding; empty when there must be none
}

func (b breakage) files() fs.FS {
	text := b.source
	if !strings.Contains(text, "package p") {
		text = "// Package p is a package.\npackage p\n\n" + text
	}
	return fstest.MapFS{b.file: &fstest.MapFile{Data: []byte(text)}}
}

// row is a row of a table: a pattern, what goes with it, and the reason.
type row struct {
	pattern string
	allowed []string
	why     string
}

// fits tells whether a pattern holds for a name: "a" for a alone, "a/..." for a
// and all below it, "..." for everything.
func fits(pattern, name string) bool {
	root, tree := strings.CutSuffix(pattern, "...")
	if !tree {
		return pattern == name
	}
	return strings.HasPrefix(name+"/", root)
}

// find is the first row that fits.
func find(table []row, name string) (row, bool) {
	for _, r := range table {
		if fits(r.pattern, name) {
			return r, true
		}
	}
	return row{}, false
}

package main_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// rule is one rule, with the modules that show it at work.
type rule struct {
	name   string
	check  func([]source) []string
	breaks []breakage
}

func rules() []rule {
	return []rule{
		{"import directions", importDirections, []breakage{
			{"chaos/a.go", `import _ "squall/cluster"`, "chaos/a.go:4: chaos imports cluster; it may import chaos/..., for it sees"},
			{"cluster/embedded/a.go", `import _ "squall/workloads"`, "cluster/embedded imports workloads; "},
			{"cluster/embedded/a.go", `import _ "squall/workloads/image"`, ""},
			{"scenarios/plan/a.go", `import _ "squall/cluster"`, "scenarios/plan imports cluster; "},
			{"scenarios/plan/a_test.go", `import _ "squall/scenarios/catalog"`, ""},
			{"scenarios/plan/a.go", `import _ "squall/scenarios/catalog"`, "scenarios/plan imports scenarios/catalog; "},
			{"reports/a_test.go", `import _ "squall/chaos"`, "reports imports chaos; "},
			{"extra/a.go", `import _ "squall/chaos"`, "extra/a.go:2: extra has no row in imports()"},
		}},
		{"libraries", libraryUse, []breakage{
			{"reports/a.go", `import _ "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"`, "reports imports github.com/chaos-mesh/chaos-mesh/api/v1alpha1, which only chaos may: it drags"},
			{"chaos/chaostest/a_test.go", `import _ "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"`, "which only chaos may"},
			{"chaos/a.go", `import _ "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"`, ""},
			{"chaos/a.go", `import _ "testing"`, "which only tests may"},
			{"chaos/a_test.go", `import _ "testing"`, ""},
		}},
		{"folder names", folderNames, []breakage{
			{"chaos/util/a.go", ``, `chaos/util/a.go:2: a folder called "util" says nothing`},
			{"chaos/utility/a.go", ``, ""},
		}},
		{"no init", noInit, []breakage{
			{"chaos/a.go", `func init() {}`, "chaos/a.go:4: an init function runs unasked"},
			{"chaos/a.go", `type T int; func (T) init() {}`, ""},
			{"chaos/a_test.go", `func init() {}`, "an init function"},
		}},
		{"no changeable variables", noVariables, variableBreaks()},
		{"documented packages", packageComments, []breakage{
			{"chaos/a.go", "package p", "chaos has no package comment"},
			{"chaos/a_test.go", "package p", ""},
		}},
		{"documented names", documentedNames, []breakage{
			{"chaos/a.go", `func F() {}`, "chaos/a.go:4: F has no doc comment"},
			{"chaos/a.go", `type T int`, "T has no doc comment"},
			{"chaos/a.go", "// T is.\ntype T int\n\nfunc (*T) M() {}", "T.M has no doc comment"},
			{"chaos/a.go", `type t[K any] int; func (t[K]) M() {}`, ""},
			{"chaos/a.go", "const C = 1", "C has no doc comment"},
			{"chaos/a.go", "// All of them.\nconst (\n\tC = 1\n\tD = 2\n)", ""},
			{"chaos/a_test.go", `func F() {}`, ""},
		}},
	}
}

func importDirections(module []source) []string {
	var found []string
	for _, s := range module {
		r, ok := find(imports(), s.folder)
		if !ok {
			found = append(found, fmt.Sprintf("%s: %s has no row in imports()", s.at(s.ast), s.folder))
			continue
		}
		allowed := append([]string{r.pattern}, r.allowed...)
		for _, extra := range testImports() {
			if s.test && fits(extra.pattern, s.folder) {
				allowed = append(allowed, extra.allowed...)
			}
		}
		for _, spec := range s.ast.Imports {
			target, ours := strings.CutPrefix(importPath(spec), modulePrefix)
			if ours && !fitsAny(allowed, target) {
				found = append(found, fmt.Sprintf("%s: %s imports %s; it may import %s, for it %s",
					s.at(spec), s.folder, target, strings.Join(allowed, ", "), r.why))
			}
		}
	}
	return found
}

func libraryUse(module []source) []string {
	var found []string
	for _, s := range module {
		for _, spec := range s.ast.Imports {
			r, ok := find(libraries(), importPath(spec))
			if !ok || fitsAny(r.allowed, s.folder) || s.test && len(r.allowed) == 0 {
				continue
			}
			who := strings.Join(r.allowed, ", ")
			if who == "" {
				who = "tests"
			}
			found = append(found, fmt.Sprintf("%s: %s imports %s, which only %s may: %s",
				s.at(spec), s.folder, importPath(spec), who, r.why))
		}
	}
	return found
}

func importPath(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser lets nothing else through
	}
	return name
}

func fitsAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func folderNames(module []source) []string {
	var found []string
	for _, s := range module {
		if slices.Contains(bannedNames(), path.Base(s.folder)) {
			found = append(found, fmt.Sprintf("%s: a folder called %q says nothing about what is in it", s.at(s.ast), path.Base(s.folder)))
		}
	}
	return found
}

func noInit(module []source) []string {
	var found []string
	for _, s := range module {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				found = append(found, s.at(f)+": an init function runs unasked; call it where it is needed")
			}
		}
	}
	return found
}

func packageComments(module []source) []string {
	documented, first := map[string]bool{}, map[string]source{}
	for _, s := range module {
		if s.test {
			continue
		}
		if _, seen := first[s.folder]; !seen {
			first[s.folder] = s
		}
		documented[s.folder] = documented[s.folder] || s.ast.Doc != nil
	}
	var found []string
	for folder, s := range first {
		if !documented[folder] {
			found = append(found, fmt.Sprintf("%s: %s has no package comment", s.at(s.ast), folder))
		}
	}
	slices.Sort(found)
	return found
}

func documentedNames(module []source) []string {
	var found []string
	for _, s := range module {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			for _, name := range undocumented(d) {
				found = append(found, fmt.Sprintf("%s: %s has no doc comment", s.at(d), name))
			}
		}
	}
	return found
}

// undocumented lists the exported names of a declaration that lack a comment;
// a group's comment speaks for the constants and variables in it.
func undocumented(d ast.Decl) []string {
	if f, ok := d.(*ast.FuncDecl); ok {
		name := f.Name.Name
		if f.Recv != nil {
			of := receiver(f.Recv.List[0].Type)
			name = of + "." + name
			if !ast.IsExported(of) {
				return nil
			}
		}
		if f.Name.IsExported() && f.Doc == nil {
			return []string{name}
		}
		return nil
	}
	var names []string
	group := d.(*ast.GenDecl)
	for _, spec := range group.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && (group.Lparen != token.NoPos || group.Doc == nil) {
				names = append(names, spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && spec.Doc == nil && spec.Comment == nil && group.Doc == nil {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

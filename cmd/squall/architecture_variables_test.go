package main_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

func variableBreaks() []breakage {
	return []breakage{
		{"chaos/a.go", `var n int`, "chaos/a.go:4: the package variable chaos.n can change"},
		{"chaos/a.go", `var n = 3`, "chaos.n can change"},
		{"chaos/a.go", `var N = []int{1}`, "chaos.N can change"},
		{"chaos/a.go", `var n = []int{1}; func f() { n[0] = 2 }`, "chaos.n can change"},
		{"chaos/a.go", `var n = struct{ a int }{}; func f() *int { return &n.a }`, "chaos.n can change"},
		{"chaos/a.go", `var n = map[string]int{}; func f() { delete(n, "") }`, "chaos.n can change"},
		{"chaos/a.go", `var n = map[string]int{"a": 1}; func f() int { return n["a"] }`, ""},
		{"chaos/a.go", `import "errors"; var E = errors.New("e")`, ""},
		{"chaos/a.go", `import "errors"; var e = errors.New("e"); func f() { e = nil }`, "chaos.e can change"},
		{"chaos/a.go", `import "regexp"; var r = regexp.MustCompile("e")`, ""},
		{"chaos/a.go", "import \"embed\"\n\n//go:embed a.go\nvar files embed.FS", ""},
		{"chaos/a.go", `type T int; var _ interface{} = T(0)`, ""},
		{"cmd/squall/a.go", `var version = "dev"`, ""},
		{"chaos/a_test.go", `var n int`, ""},
	}
}

// noVariables finds package variables that can change. Let through are blank
// ones, which assert at compile time; embedded files; and what nothing in its
// package assigns to, takes the address of, deletes from, clears or copies
// over, as long as it is an unexported literal (a table, say) or a value that
// is fixed once made, such as an error sentinel, a regular expression or the
// remembered result of a function.
func noVariables(module []source) []string {
	var found []string
	for _, s := range module {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				found = append(found, changeable(module, s, group, spec.(*ast.ValueSpec))...)
			}
		}
	}
	return found
}

func changeable(module []source, s source, group *ast.GenDecl, spec *ast.ValueSpec) []string {
	var found []string
	for i, name := range spec.Names {
		full := s.folder + "." + name.Name
		_, excused := find(variables(), full)
		if name.Name == "_" || excused || embedded(group.Doc) || embedded(spec.Doc) {
			continue
		}
		fixed := i < len(spec.Values) && (constant(spec.Values[i]) || literal(spec.Values[i]) && !name.IsExported())
		if fixed && !changed(module, s.folder, name.Name) {
			continue
		}
		found = append(found, fmt.Sprintf(
			"%s: the package variable %s can change; make it a constant, a function or a field", s.at(name), full))
	}
	return found
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// constant tells whether the value is made by a function whose results never
// change.
func constant(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := f.X.(*ast.Ident)
	return ok && slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "sync.OnceValue", "sync.OnceValues",
		"netip.MustParseAddr", "netip.MustParsePrefix"}, of.Name+"."+f.Sel.Name)
}

func literal(value ast.Expr) bool {
	_, ok := value.(*ast.CompositeLit)
	return ok
}

// changed tells whether anything in the package may change the variable. It
// goes by the name alone, so a local variable of that name counts too.
func changed(module []source, folder, name string) bool {
	found := false
	hit := func(targets ...ast.Expr) {
		found = found || slices.ContainsFunc(targets, func(e ast.Expr) bool { return e != nil && root(e) == name })
	}
	for _, s := range module {
		if s.folder != folder {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				hit(n.Lhs...)
			case *ast.IncDecStmt:
				hit(n.X)
			case *ast.RangeStmt:
				hit(n.Key, n.Value)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					hit(n.X)
				}
			case *ast.CallExpr:
				if slices.Contains([]string{"delete", "clear", "copy"}, root(n.Fun)) {
					hit(n.Args[0])
				}
			}
			return !found
		})
	}
	return found
}

// root is the variable that an expression is a part of: a for a.b[c].
func root(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return ""
}

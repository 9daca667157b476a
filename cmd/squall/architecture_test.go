package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A pattern is a package of this module by its folder ("chaos"), or with
// "/..." at its end that package and all below it.

// imports says which packages of this module a package may import besides
// those of its own pattern. The first row that fits counts; a package without
// a row is a finding. Tests of a package are held to its row, with testImports
// added.
//
// The shape is a star: cluster, workloads, chaos and reports never know each
// other, and only scenarios/run, which conducts, knows more than one of them.
func imports() []row {
	return []row{
		{"cmd/...", []string{"..."}, "wires the parts together and decides nothing"},
		{"scenarios/run/...", []string{"scenarios", "scenarios/plan", "scenarios/oracle", "scenarios/judge", "cluster", "workloads/...", "chaos", "reports"},
			"is the one place where all parts meet; clusters come to it as an interface, so it knows no provider; it has its record judged before it returns"},
		{"scenarios/suite/...", []string{"scenarios", "scenarios/plan", "scenarios/run", "scenarios/judge", "reports"},
			"runs and judges many scenarios, through what runs and judges one"},
		{"scenarios/judge/...", []string{"scenarios", "scenarios/plan", "scenarios/oracle", "reports", "workloads/history", "workloads/sample", "workloads/schedule"},
			"judges a saved record on a machine with no cluster; requests were due when the schedule says, and are as they were written"},
		{"scenarios/oracle/...", []string{"scenarios", "scenarios/plan", "reports"},
			"predicts from numbers that were recorded, not from a live cluster"},
		{"scenarios/plan/...", []string{"scenarios", "chaos", "workloads", "workloads/schedule", "workloads/shop"},
			"is a pure function: it uses what can be decoded and rendered without a cluster"},
		{"scenarios/catalog/...", []string{"scenarios"}, "hands out the scenarios that ship, parsed"},
		{"scenarios", []string{"chaos", "workloads", "workloads/draw", "workloads/schedule", "workloads/shop"},
			"parses and validates with what can be decoded and rendered without a cluster; a load's legs become a schedule, its placeholders are read"},
		{"cluster/...", []string{"workloads/image/..."}, "is of use without the rest; the images that its nodes hold come from a leaf"},
		{"workloads/image/...", nil, "is a leaf, so that clusters may import it"},
		{"workloads/sample", nil, "is how requests are written down, which generator, recorder and judge share"},
		{"workloads/schedule", nil, "is arithmetic, which planner, generator and judge share"},
		{"workloads/draw", nil, "is arithmetic, which parser, generator and judge share"},
		{"workloads/...", nil, "knows neither what made the cluster nor what breaks it"},
		{"chaos/...", nil, "sees the cluster through chaos.Env alone, so that any cluster will do"},
		{"reports/...", []string{"workloads/sample"}, "is a set of pure functions of a record, whatever made the record; a leaf says how requests are written in it"},
	}
}

// testImports are what tests may import on top.
func testImports() []row {
	return []row{
		{"scenarios/...", []string{"scenarios/catalog", "chaos", "workloads", "workloads/shop"},
			"parser, planner and judge are tried on the scenarios that ship, and on scenarios written in Go"},
		{"scenarios/run/...", []string{"..."}, "the conductor is tried on a real cluster"},
		{"scenarios/suite/...", []string{"..."}, "a suite is tried on real clusters"},
	}
}

// libraries says who alone may import a library or a part of the standard
// one; nobody named means tests alone.
func libraries() []row {
	return []row{
		{"github.com/chaos-mesh/...", []string{"chaos"}, "it drags in 580 packages, a controller runtime among them"},
		{"sigs.k8s.io/controller-runtime/...", nil, "it comes with Chaos Mesh's types and must spread no further"},
		{"github.com/tsenart/vegeta/...", []string{"workloads/traffic/..."}, "one adapter tames its stop and its clock"},
		{"github.com/anishathalye/porcupine/...", []string{"workloads/history/..."}, "one package knows what a history is"},
		{"github.com/vishvananda/...", []string{"cluster/embedded/...", "cluster/kind/...", "cluster/policy/..."},
			"links belong to the cluster that makes them; the policies' tests lay cables of their own"},
		{"sigs.k8s.io/knftables/...", []string{"cluster/policy/..."}, "one package knows how to say rules to the kernel for policies"},
		{"sigs.k8s.io/kind/...", []string{"cluster/kind/..."}, "its way of making clusters stays behind cluster.Provider"},
		{"github.com/google/go-containerregistry/...", []string{"workloads/image/..."}, "one package makes images"},
		{"github.com/google/cel-go/...", []string{"scenarios/judge/..."}, "one package evaluates expectations"},
		{"github.com/spf13/...", []string{"cmd/..."}, "flags are the command line's business"},
		{"github.com/stretchr/...", nil, "assertions belong in tests"},
		{"github.com/rogpeppe/...", nil, "scripts that type commands belong in tests"},
		{"github.com/google/go-cmp/...", nil, "comparisons for people belong in tests"},
		{"testing/...", nil, "suites for others return an error instead of taking a test handle"},
	}
}

// variables are the package variables that do change, or could, each with the
// reason why it must exist.
func variables() []row {
	return []row{
		{"cmd/squall.version", nil, "set by the linker"},
	}
}

// bannedNames are folder names that say nothing about what is inside.
func bannedNames() []string {
	return []string{"base", "common", "helper", "helpers", "lib", "misc", "pkg", "shared", "types", "util", "utils"}
}

// TestArchitecture holds the whole module to the rules.
func TestArchitecture(t *testing.T) {
	module := readModule(t, os.DirFS("../.."))
	require.Greater(t, len(module), 10, "the module was not found")
	for _, rule := range rules() {
		t.Run(strings.ReplaceAll(rule.name, " ", "-"), func(t *testing.T) {
			for _, finding := range rule.check(module) {
				t.Error(finding)
			}
		})
	}
}

// TestRulesCatch breaks each rule in a module in memory, so that none can rot
// into one that finds nothing.
func TestRulesCatch(t *testing.T) {
	for _, rule := range rules() {
		t.Run(strings.ReplaceAll(rule.name, " ", "-"), func(t *testing.T) {
			require.NotEmpty(t, rule.breaks)
			for _, b := range rule.breaks {
				found := rule.check(readModule(t, b.files()))
				if b.says == "" {
					require.Empty(t, found, b.source)
					continue
				}
				require.Len(t, found, 1, b.source)
				require.Contains(t, found[0], b.says)
			}
		})
	}
}

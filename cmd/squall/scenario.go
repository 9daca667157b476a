package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"squall/scenarios"
	"squall/scenarios/catalog"
	"squall/scenarios/judge"

	"github.com/spf13/cobra"
)

// loadScenarios loads scenarios by catalogue name or path, and reports on all of
// them at once.
func loadScenarios(names []string) ([]*scenarios.File, error) {
	var files []*scenarios.File
	var other []error
	invalid := &invalidFiles{}
	for _, name := range names {
		f, err := loadScenario(name)
		var bad *scenarios.InvalidError
		switch {
		case err == nil:
			files = append(files, f)
		case errors.As(err, &bad):
			invalid.each = append(invalid.each, bad)
		default:
			other = append(other, err)
		}
	}
	if len(invalid.each) > 0 {
		return nil, misuse(errors.Join(append([]error{invalid}, other...)...), "docs/scenario.md describes the format, docs/measures.md the expressions")
	}
	if len(other) > 0 {
		return nil, misuse(errors.Join(other...),
			"a scenario is a file's path, with a slash or .yaml in it, or one that ships: "+strings.Join(catalog.List(), ", "))
	}
	return files, nil
}

// loadScenario loads one scenario, expectations checked.
func loadScenario(name string) (*scenarios.File, error) {
	if isPath(name) {
		return scenarios.LoadFile(name, scenarios.WithChecker(judge.Check))
	}
	return catalog.Load(name, scenarios.WithChecker(judge.Check))
}

// isPath tells a file's path from a catalogue name.
func isPath(name string) bool {
	ext := filepath.Ext(name)
	return strings.ContainsAny(name, `/\`) || ext == ".yaml" || ext == ".yml" || name == "" || name == "." || name == ".."
}

// twinNamed is the twin of that name in a file; "" is the scenario itself.
func twinNamed(f *scenarios.File, name string) (*scenarios.Scenario, error) {
	if name == "" || name == f.Scenario.Twin {
		return f.Scenario, nil
	}
	known := make([]string, len(f.Twins))
	for i, twin := range f.Twins {
		if twin.Twin == name {
			return twin, nil
		}
		known[i] = fmt.Sprintf("%q", twin.Twin)
	}
	hint := "it has no twins"
	if len(known) > 0 {
		hint = "it has " + strings.Join(known, ", ")
	}
	return nil, misuse(fmt.Errorf("scenario %q has no twin %q", f.Scenario.Metadata.Name, name), hint)
}

// completeScenario completes catalogue names and files.
func completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return catalog.List(), cobra.ShellCompDirectiveDefault
}

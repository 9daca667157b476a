package apt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Wanted says what an image is to hold.
type Wanted struct {
	// Packages are "name" or "name=version".
	Packages []string
	// Without are packages to leave out although others depend on them.
	Without []string
}

// scriptsOnly are packages that others depend on for their maintainer scripts
// or for a machine's init, neither of which an image runs. They come along only
// when asked for by name.
func scriptsOnly() []string {
	return []string{"adduser", "debconf", "dpkg", "init-system-helpers", "install-info", "lsb-base", "passwd",
		"sensible-utils", "sysvinit-utils", "ucf", "usrmerge"}
}

// Resolve finds the packages that are wanted and all that they depend on, as
// apt chooses for a machine on which nothing is installed; sorted by name.
func (s *Session) Resolve(ctx context.Context, w Wanted) ([]Package, error) {
	if err := s.literal(ctx, w.Packages); err != nil {
		return nil, err
	}
	text, err := s.run(ctx, "", append([]string{"apt-get", "install", "--simulate", "--yes"}, w.Packages...)...)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", strings.Join(w.Packages, ", "), s.explain(ctx, err))
	}
	var chosen []string
	for line := range strings.Lines(text) {
		// "Inst nginx (1.22.1-9 Debian:12/stable [amd64])"
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] == "Inst" {
			chosen = append(chosen, fields[1]+"="+strings.TrimPrefix(fields[2], "("))
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("resolve %s: apt chose no package at all; it said:\n%s", strings.Join(w.Packages, ", "), text)
	}
	known, err := s.describe(ctx, chosen)
	if err != nil {
		return nil, err
	}
	var packages []Package
	for _, name := range reach(known, w) {
		st := known[name]
		size, err := strconv.ParseInt(st["size"], 10, 64)
		if err != nil || len(st["sha256"]) != 64 {
			return nil, fmt.Errorf("the mirror's list gives package %s no SHA256 and size", name)
		}
		packages = append(packages, Package{Name: name, Version: st["version"], SHA256: st["sha256"], Size: size})
	}
	return packages, nil
}

// literal refuses names of no package that apt would read as more than a name:
// as a regular expression, or as the order to remove something.
func (s *Session) literal(ctx context.Context, packages []string) error {
	for _, p := range packages {
		name, _, _ := strings.Cut(p, "=")
		if !strings.ContainsAny(name, ".+") && !strings.HasSuffix(name, "-") {
			continue
		}
		text, err := s.run(ctx, "", "apt-cache", "pkgnames", name)
		if err != nil {
			return err
		}
		if !slices.Contains(strings.Fields(text), name) {
			return fmt.Errorf("%w as %q in %s%s", ErrNoPackage, name, s.suite, s.similar(ctx, name))
		}
	}
	return nil
}

// describe reads what the lists say of packages, each "name=version".
func (s *Session) describe(ctx context.Context, chosen []string) (map[string]stanza, error) {
	text, err := s.run(ctx, "", append([]string{"apt-cache", "show"}, chosen...)...)
	if err != nil {
		return nil, fmt.Errorf("describe the packages: %w", err)
	}
	known := map[string]stanza{}
	for _, st := range stanzas(text) {
		known[st["package"]] = st
	}
	for _, c := range chosen {
		name, version, _ := strings.Cut(c, "=")
		if st := known[name]; st["version"] != version {
			return nil, fmt.Errorf("apt chose %s but describes version %q", c, st["version"])
		}
	}
	return known, nil
}

// reach are the names that the wanted packages need, directly or not, in order.
// What is wanted by name is never left out.
func reach(known map[string]stanza, w Wanted) []string {
	providers := map[string][]string{}
	for name, st := range known {
		providers[name] = append(providers[name], name)
		for _, group := range st.relations("provides") {
			providers[group[0]] = append(providers[group[0]], name)
		}
	}
	without := map[string]bool{}
	for _, name := range slices.Concat(scriptsOnly(), w.Without) {
		without[name] = true
	}
	reached := map[string]bool{}
	var visit func(names []string)
	visit = func(names []string) {
		for _, name := range names {
			if reached[name] {
				continue
			}
			reached[name] = true
			for _, group := range slices.Concat(known[name].relations("depends"), known[name].relations("pre-depends")) {
				visit(satisfying(group, providers, without))
			}
		}
	}
	for _, p := range w.Packages {
		name, _, _ := strings.Cut(p, "=")
		visit(providers[name])
	}
	return slices.Sorted(maps.Keys(reached))
}

// satisfying are the packages among those chosen that satisfy a group; none
// when one of those is to be left out.
func satisfying(group []string, providers map[string][]string, without map[string]bool) []string {
	for _, name := range group {
		if without[name] {
			return nil
		}
		if len(providers[name]) == 0 {
			continue
		}
		if slices.Contains(providers[name], name) {
			return []string{name}
		}
		return slices.DeleteFunc(slices.Sorted(slices.Values(providers[name])), func(p string) bool { return without[p] })
	}
	return nil
}

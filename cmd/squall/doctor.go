package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/workloads/image/gobuild"

	"github.com/spf13/cobra"
)

const doctorHelp = `Say what this host has of what Squall needs, and how to get what it lacks. Changes nothing.

Usage:
  squall doctor [FLAGS]

Flags:
  --json   write JSON

What can be found out only by trying is tried in a process with namespaces of its
own, which leaves nothing; the kernel may load a module for it. As root it tells most.

Exit code 0 when clusters can be made here and now, by this user: embedded ones or those
by kind; 3 when neither.

Try it:
  sudo squall doctor
`

func (c *cli) doctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "doctor",
		Args:              arguments(0, 0, "doctor"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.examine(cmd.Context(), asJSON) },
	}
	written(cmd, "say what this host has and lacks", doctorHelp)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// diagnosis is all that doctor finds.
type diagnosis struct {
	Needs      []embedded.Fact   `json:"needs"`     // without one of these no embedded cluster can be
	Kind       []embedded.Fact   `json:"kind"`      // without one of these no cluster by kind can be
	Abilities  []embedded.Fact   `json:"abilities"` // what some of Squall needs
	Building   []embedded.Fact   `json:"building"`  // what compiling components needs
	Makes      []string          `json:"makes"`     // the providers whose clusters can be made
	Ready      bool              `json:"ready"`     // there is one
	Cache      string            `json:"cache"`
	Components map[string]string `json:"components"`
}

// diagnose looks at the host.
func diagnose(ctx context.Context, cache string) diagnosis {
	d := diagnosis{Cache: cache, Needs: embedded.Facts(cache), Kind: kindFacts(ctx), Makes: []string{}, Components: map[string]string{}}
	for _, f := range embedded.Probe(ctx) {
		if f.For == "" {
			d.Needs = append(d.Needs, f)
		} else {
			d.Abilities = append(d.Abilities, f)
		}
	}
	d.Abilities = append(embedded.Abilities(ctx), d.Abilities...)
	d.Building = buildingFacts(ctx, cache)
	for _, p := range d.needs() {
		if ready(p.facts, d.Building) {
			d.Makes = append(d.Makes, p.name)
		}
	}
	d.Ready = len(d.Makes) > 0
	listComponents(func(name, version string) { d.Components[name] = version })
	return d
}

// needed is what a provider's clusters need.
type needed struct {
	name  string
	facts []embedded.Fact
}

// needs are what each provider needs.
func (d diagnosis) needs() []needed {
	return []needed{{embedded.Name, d.Needs}, {kind.Name, d.Kind}}
}

// ready tells whether a cluster can be made: it needs all of the first, and
// components, which are there or can be compiled.
func ready(needs, building []embedded.Fact) bool {
	lacks := func(f embedded.Fact) bool { return !f.OK && f.For == "" }
	has := func(f embedded.Fact) bool { return f.OK }
	return !slices.ContainsFunc(needs, lacks) && slices.ContainsFunc(building, has)
}

// buildingFacts say whether components are there, or can be compiled.
func buildingFacts(ctx context.Context, cache string) []embedded.Fact {
	builder, _ := builders(cache, nil)
	compiled := embedded.Fact{What: "compiled components", OK: builder.Cached(), Way: "squall build components"}
	tools, err := gobuild.FindToolchain(ctx)
	if err != nil {
		return []embedded.Fact{compiled, {What: "Go", Way: "install Go 1.26.4 or later from https://go.dev/dl and put it into PATH; sudo has a PATH of its own: " + err.Error()}}
	}
	return []embedded.Fact{compiled, {What: fmt.Sprintf("Go: %s, %s", tools.Version, tools.Path), OK: true}}
}

// examine writes what is here and what is not.
func (c *cli) examine(ctx context.Context, asJSON bool) error {
	cache, err := c.cache()
	if err != nil {
		return err
	}
	d := diagnose(ctx, cache)
	if asJSON {
		out := json.NewEncoder(c.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(d); err != nil {
			return err
		}
	} else {
		c.explain(d)
	}
	if !d.Ready {
		return ended(exitInconclusive)
	}
	return nil
}

// explain writes a diagnosis for people.
func (c *cli) explain(d diagnosis) {
	c.listFacts("embedded clusters need:", d.Needs)
	fmt.Fprintf(c.stdout, "\nthe Debian packages they need:\n  %s\n\n", embedded.PackagesLine())
	c.listFacts("kind clusters need:", d.Kind)
	fmt.Fprintln(c.stdout)
	c.listFacts("what else this host can do:", d.Abilities)
	fmt.Fprintln(c.stdout)
	c.listFacts("components, or what builds them, which is needed once:", d.Building)
	fmt.Fprintf(c.stdout, "\ncache:\n  %s: %s\n\ncomponents:\n", d.Cache, gigabytes(folderSize(d.Cache)))
	listComponents(func(name, version string) { fmt.Fprintf(c.stdout, "  %s %s\n", name, version) })
	fmt.Fprintln(c.stdout)
	for _, p := range d.needs() {
		fmt.Fprintln(c.stdout, p.conclude(slices.Contains(d.Makes, p.name)))
	}
}

// conclude says in a line whether a provider's clusters can be made.
func (p needed) conclude(can bool) string {
	missing := 0
	for _, f := range p.facts {
		if !f.OK && f.For == "" {
			missing++
		}
	}
	switch {
	case can:
		return fmt.Sprintf("all is here: %s clusters can be made", p.name)
	case missing == 0:
		return fmt.Sprintf("neither compiled components nor Go to compile them: no %s cluster can be made", p.name)
	}
	return fmt.Sprintf("%d missing: no %s cluster can be made", missing, p.name)
}

// listFacts writes facts under a title.
func (c *cli) listFacts(title string, facts []embedded.Fact) {
	fmt.Fprintln(c.stdout, title)
	for _, f := range facts {
		mark, way := "✗", "\n      → "+f.Way
		switch {
		case f.OK:
			mark, way = "✓", ""
		case f.Unknown:
			mark = "?"
		}
		if f.For != "" {
			f.What += " – " + f.For
		}
		fmt.Fprintf(c.stdout, "  %s %s%s\n", mark, f.What, way)
	}
}

// folderSize is how many bytes the files in a folder take, each counted once
// however many names it has.
func folderSize(folder string) float64 {
	var size float64
	type inode struct{ device, number uint64 }
	seen := map[inode]bool{}
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what cannot be read is not counted
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			id := inode{uint64(stat.Dev), stat.Ino}
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		size += float64(info.Size())
		return nil
	})
	return size
}

func gigabytes(bytes float64) string { return fmt.Sprintf("%.1f GB", bytes/1e9) }

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/cluster/kind"

	"github.com/spf13/cobra"
)

// autoProvider lets Squall choose what makes a cluster; see [choose].
const autoProvider = "auto"

// provider is what the verbs need of a provider: that it makes and finds clusters,
// as all do, and that it removes what killed ones left.
type provider interface {
	cluster.Provider
	// Living lists the names of clusters that are up, coming up or going.
	Living(ctx context.Context) ([]string, error)
	// Sweep removes what killed clusters left.
	Sweep(ctx context.Context) error
	// Leftovers lists what Clean would remove.
	Leftovers(ctx context.Context) ([]string, error)
	// Clean removes all that killed parts of Squall left, ever, and says what.
	Clean(ctx context.Context) ([]string, error)
}

// source is a provider as this user has it on this host.
type source struct {
	provider
	name string
	// look says why this user cannot look at its clusters now; an error that wraps
	// [errIdle] says that none can be up.
	look func(ctx context.Context) error
	// facts are what making clusters needs; those with a purpose can be done without.
	facts func(ctx context.Context) []embedded.Fact
	// forget removes, or in a dry run only lists, what belongs to the cache and is not
	// in its folder; nil when there is no such thing.
	forget func(ctx context.Context, dry bool) ([]string, error)
	// idle is why none of its clusters can be up, as [sources.open] found; else nil.
	idle error
}

// errIdle is wrapped by the reasons why no cluster of a provider can be up.
var errIdle = errors.New("no cluster can be up")

// sources are all providers. A cluster's name is unique over all of them; where
// it is not, since who made one could not see the other, the first counts.
type sources []source

// sources are the providers on the cache folder.
func (c *cli) sources() (sources, string, error) {
	cache, err := c.cache()
	if err != nil {
		return nil, "", err
	}
	return sources{embeddedSource(cache), kindSource(cache)}, cache, nil
}

// choose is the provider that --on means: auto means embedded where such clusters
// can be, for root on Linux, else kind.
func choose(on, system string, user int) string {
	switch {
	case on != autoProvider:
		return on
	case system == "linux" && user == 0:
		return embedded.Name
	}
	return kind.Name
}

// chosen is the provider that --on means here.
func chosen(on string) string { return choose(on, runtime.GOOS, os.Geteuid()) }

// maker is the provider that --on means here, unless the host cannot carry its
// clusters, which is refused with every reason.
func (c *cli) maker(ctx context.Context, on string) (source, string, error) {
	all, cache, err := c.sources()
	if err != nil {
		return source{}, "", err
	}
	s, err := all.maker(ctx, chosen(on))
	if err != nil && on == autoProvider && s.name == kind.Name && runtime.GOOS == "linux" {
		err = hinted(err, "or make embedded clusters, which need root and no Docker: run the same command with sudo")
	}
	return s, cache, err
}

// maker is the provider of that name, unless the host cannot carry its clusters.
func (all sources) maker(ctx context.Context, name string) (source, error) {
	s := all[slices.IndexFunc(all, func(s source) bool { return s.name == name })]
	err := s.fit(ctx)
	if err == nil {
		return s, nil
	}
	for _, other := range all {
		if other.name == kind.Name && s.name != kind.Name && other.fit(ctx) == nil {
			err = hinted(err, "or let Docker carry the clusters: --on kind")
		}
	}
	return s, err
}

// fit refuses a host on which this provider can make no cluster, with every
// reason.
func (s source) fit(ctx context.Context) error {
	var lacks, hints []string
	for _, f := range s.facts(ctx) {
		if f.OK || f.For != "" {
			continue
		}
		lacks = append(lacks, f.What)
		if hint := f.What + ": " + f.Way; len(hints) == 0 || hints[len(hints)-1] != hint {
			hints = append(hints, hint)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return unfit(fmt.Errorf("%s clusters need what is not here: %s", s.name, strings.Join(lacks, "; ")), hints...)
}

// providerNames are what --on takes.
func providerNames() []string { return []string{autoProvider, embedded.Name, kind.Name} }

// addProviderFlag adds --on.
func addProviderFlag(cmd *cobra.Command, on *string) {
	cmd.Flags().StringVar(on, "on", autoProvider, "what makes the cluster")
	_ = cmd.RegisterFlagCompletionFunc("on", cobra.FixedCompletions(providerNames(), cobra.ShellCompDirectiveNoFileComp))
}

// checkProvider refuses a provider that there is not.
func checkProvider(on string) error {
	if slices.Contains(providerNames(), on) {
		return nil
	}
	return fmt.Errorf("--on %q: there is no such provider; there are %s", on, strings.Join(providerNames(), ", "))
}

// maxWorkers is the largest number of workers that a provider's clusters start
// with.
func maxWorkers(name string) int {
	if name == kind.Name {
		return kind.MaxWorkers
	}
	return embedded.MaxWorkers
}

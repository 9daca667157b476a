package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/cluster/kind/engine"
)

// automatic stands for the provider that fits the host; see [choose].
const automatic = "auto"

// provider is what verbs need of what makes clusters.
type provider interface {
	cluster.Provider
	Living(ctx context.Context) ([]string, error)
	Sweep(ctx context.Context) error
	Leftovers(ctx context.Context) ([]string, error)
	Clean(ctx context.Context) ([]string, error)
}

// choose turns what --on says into a provider's name: embedded is the faster, and
// needs Linux and root.
func choose(on, system string, root bool) string {
	if on != automatic {
		return on
	}
	if system == "linux" && root {
		return embedded.Name
	}
	return kind.Name
}

// chosen is the name of the provider that --on means here.
func chosen(on string) string { return choose(on, runtime.GOOS, os.Geteuid() == 0) }

// providerOn is the provider that --on means here, on a host that can carry it.
func (c *cli) providerOn(ctx context.Context, on string) (provider, string, error) {
	cache, err := c.cache()
	if err != nil {
		return nil, "", err
	}
	if chosen(on) == kind.Name {
		if _, err := engine.Look(ctx); err != nil {
			return nil, "", unfit(fmt.Errorf("kind clusters need a Docker engine: %w", err), `"squall doctor" says what this host lacks`)
		}
		return kind.New(cache), cache, nil
	}
	if err := c.checkHost(); err != nil {
		return nil, "", err
	}
	return embedded.New(cache), cache, nil
}

// usable are the providers whose clusters this user may see here, in the order in
// which they are asked. It is an error when there is none.
func (c *cli) usable(ctx context.Context) ([]provider, error) {
	cache, err := c.cache()
	if err != nil {
		return nil, err
	}
	var all []provider
	refused := needRoot()
	if refused == nil {
		all = append(all, embedded.New(cache))
	}
	// With an engine that does not answer there are no kind clusters to be seen.
	if _, err := engine.Look(ctx); err == nil || errors.Is(err, engine.ErrDisk) {
		all = append(all, kind.New(cache))
	}
	if len(all) == 0 {
		return nil, refused
	}
	return all, nil
}

// findIn returns the cluster of a name from the first provider that has it.
func findIn(ctx context.Context, name string, all []provider) (cluster.Cluster, error) {
	var absent error
	for _, p := range all {
		found, err := p.Find(ctx, name)
		if err == nil {
			return found, nil
		}
		if !errors.Is(err, cluster.ErrNotFound) {
			return nil, err
		}
		absent = err
	}
	return nil, absent
}

// refuseElsewhere refuses a name that a cluster of another provider has: verbs
// know clusters by their names alone.
func refuseElsewhere(ctx context.Context, name, on string, all []provider) error {
	found, err := findIn(ctx, name, all)
	if errors.Is(err, cluster.ErrNotFound) || err == nil && found.Info().Provider == on {
		return nil // the provider itself says what it thinks of a name of its own
	}
	if err != nil {
		return err
	}
	return misuse(fmt.Errorf("a cluster named %q is up already, made by %s; choose another name: %w", name, found.Info().Provider, cluster.ErrExists),
		fmt.Sprintf("%q removes it", "squall cluster down "+name))
}

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"time"

	"squall/cluster"
	"squall/workloads/shop"

	"github.com/spf13/cobra"
)

const buildHelp = `Compile what clusters are made of, ahead of time.

Usage:
  squall build components [FLAGS]
  squall build node-image
`

const buildComponentsHelp = `Compile Kubernetes, etcd, containerd, the CNI plugins, CoreDNS, metrics-server and the
sample shop into the cache.

Usage:
  squall build components [FLAGS]

Flags:
  --verify   first read every byte of the cache and remove what is damaged

Needs Go in PATH and, the first time, a Go module proxy; not root. What is in the
cache is not built again. Runs build what is missing themselves; under sudo that
would be into root's cache and needs Go in root's PATH, so build first as yourself
and pass --cache to the run.

Try it:
  squall build components && sudo squall --cache ~/.cache/squall run pod-kill
`

func (c *cli) build() *cobra.Command {
	cmd := &cobra.Command{Use: "build", Args: unknownVerb, RunE: needVerb}
	written(cmd, "compile what clusters are made of", buildHelp)
	cmd.AddCommand(c.buildComponents(), c.buildNodeImage())
	return cmd
}

func (c *cli) buildComponents() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:               "components",
		Args:              arguments(0, 0, "build components"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.buildAll(cmd, verify) },
	}
	written(cmd, "compile the components of clusters", buildComponentsHelp)
	cmd.Flags().BoolVar(&verify, "verify", false, "read every byte of the cache first")
	return cmd
}

func (c *cli) buildAll(cmd *cobra.Command, verify bool) error {
	cache, err := c.cache()
	if err != nil {
		return err
	}
	began := time.Now()
	components, images := builders(cache, c.say)
	if verify {
		c.say("reading every byte of " + cache)
		if err := components.Verify(cmd.Context()); err != nil {
			return err
		}
		if err := images.Verify(cmd.Context()); err != nil {
			return err
		}
	}
	if _, err := components.Build(cmd.Context()); err != nil {
		return noGo(err)
	}
	if _, err := images.FromProgram(cmd.Context(), shop.Program()); err != nil {
		return noGo(err)
	}
	fmt.Fprintf(c.stdout, "all components are in %s (%.1f s)\n", cache, time.Since(began).Seconds())
	return nil
}

// noGo adds the way out when there is no Go to build with.
func noGo(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return unfit(err, "install Go 1.26.4 or later and put it into PATH; sudo has a PATH of its own",
			`or build as yourself with "squall build components", and pass --cache with your cache folder under sudo`)
	}
	return err
}

// notMade adds the way out when a cluster was not made: it was asked for in a way
// that cannot be, or the host cannot carry it or has no Go to build it with.
func notMade(err error) error {
	if errors.Is(err, cluster.ErrSpec) {
		return misuse(err, `"squall cluster up --help" and docs/scenario.md say what a cluster can be`)
	}
	if errors.Is(err, cluster.ErrHost) {
		return unfit(err, `"squall doctor" says what this host lacks`)
	}
	return noGo(err)
}

// isUnfit tells whether [notMade] has a way out.
func isUnfit(err error) bool {
	return errors.Is(err, cluster.ErrHost) || errors.Is(err, exec.ErrNotFound)
}

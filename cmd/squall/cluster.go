package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"squall/cluster"
	"squall/cluster/embedded"

	"github.com/spf13/cobra"
)

const clusterHelp = `Make, list and remove clusters that outlive the command, to try things on.

Usage:
  squall cluster up NAME [FLAGS]
  squall cluster down NAME...
  squall cluster list
  squall cluster kubeconfig NAME [FLAGS]
  squall cluster node VERB NAME [NODE]

"squall cluster VERB --help" explains each. Embedded clusters need root, kind clusters
a Docker engine.
`

func (c *cli) cluster() *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Args: unknownVerb, RunE: needVerb}
	written(cmd, "make, list and remove clusters", clusterHelp)
	cmd.AddCommand(c.clusterUp(), c.clusterDown(), c.clusterList(), c.clusterKubeconfig(), c.clusterNode())
	return cmd
}

// checkHost refuses a host on which no embedded cluster can be, with every
// reason.
func (c *cli) checkHost() error {
	cache, err := c.cache()
	if err != nil {
		return err
	}
	var lacks, hints []string
	for _, f := range embedded.Facts(cache) {
		if f.OK {
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
	return unfit(fmt.Errorf("embedded clusters need what is not here: %s", strings.Join(lacks, "; ")), hints...)
}

// needRoot refuses anyone but root, to whom running clusters belong.
func needRoot() error {
	if os.Geteuid() == 0 {
		return nil
	}
	return unfit(errors.New("only root may see and touch clusters"), "run the same command with sudo")
}

// find returns a cluster that is up.
func (c *cli) find(ctx context.Context, name string) (cluster.Cluster, error) {
	all, err := c.usable(ctx)
	if err != nil {
		return nil, err
	}
	found, err := findIn(ctx, name, all)
	if errors.Is(err, cluster.ErrNotFound) {
		hints := []string{`"squall cluster list" shows those that are up`}
		if needRoot() != nil {
			hints = append(hints, "only root sees embedded clusters: run the same command with sudo")
		}
		return nil, misuse(err, hints...)
	}
	return found, err
}

// completeCluster completes names of clusters, of those that this user may list.
func (c *cli) completeCluster(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := c.usable(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, p := range all {
		infos, _ := p.List(cmd.Context())
		for _, info := range infos {
			names = append(names, info.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

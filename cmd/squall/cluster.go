package main

import (
	"context"

	"squall/cluster"

	"github.com/spf13/cobra"
)

const clusterHelp = `Make, list and remove clusters that outlive the command, to try things on.

Usage:
  squall cluster up NAME [FLAGS]
  squall cluster down NAME...
  squall cluster list
  squall cluster kubeconfig NAME [FLAGS]
  squall cluster node VERB NAME [NODE]

"squall cluster VERB --help" explains each. Embedded clusters need root and are seen by
root alone. Clusters by kind need Docker, no root, and are seen with the cache folder that
they were made with; under sudo that is root's unless --cache says otherwise. A name is
that of one cluster, whatever made it.
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
	return embeddedSource(cache).fit(context.Background()) // it only reads, and waits for nothing
}

// find returns a cluster that is up, whatever made it.
func (c *cli) find(ctx context.Context, name string) (cluster.Cluster, error) {
	all, _, err := c.sources()
	if err != nil {
		return nil, err
	}
	return all.find(ctx, name)
}

// completeCluster completes names of clusters, of those that the user can see.
func (c *cli) completeCluster(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, _, err := c.sources()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	open, _ := all.open(cmd.Context())
	for _, s := range open {
		infos, _ := s.List(cmd.Context())
		for _, info := range infos {
			names = append(names, info.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

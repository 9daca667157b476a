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

"squall cluster VERB --help" explains each. All need root.
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
	if err := needRoot(); err != nil {
		return nil, err
	}
	p, _, err := c.provider()
	if err != nil {
		return nil, err
	}
	found, err := p.Find(ctx, name)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil, misuse(err, `"squall cluster list" shows those that are up`)
	}
	return found, err
}

// completeCluster completes names of clusters, which only root may list.
func (c *cli) completeCluster(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, _, err := c.provider()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	infos, _ := p.List(cmd.Context())
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"squall/cluster"

	"github.com/spf13/cobra"
)

const clusterListHelp = `List the clusters that are up on this host and that you may see: root sees embedded ones.

Usage:
  squall cluster list
`

func (c *cli) clusterList() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list",
		Args:              arguments(0, 0, "cluster list"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, _, err := c.sources()
			if err != nil {
				return err
			}
			infos, closed, err := all.list(cmd.Context())
			if err != nil && len(infos) == 0 {
				return err
			}
			return errors.Join(c.showClusters(infos, closed), err)
		},
	}
	written(cmd, "list clusters", clusterListHelp)
	return cmd
}

// showClusters writes clusters as a table. Without any it says which could not be
// looked at.
func (c *cli) showClusters(infos []cluster.Info, closed []error) error {
	if len(infos) == 0 {
		c.say("no cluster is up")
		for _, why := range closed {
			c.say(why.Error())
		}
		return nil
	}
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "NAME\tPROVIDER\tKUBERNETES\tNODES\tAPI")
	for _, info := range infos {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s\n", info.Name, info.Provider, info.Kubernetes, len(info.Nodes), info.Server)
	}
	return out.Flush()
}

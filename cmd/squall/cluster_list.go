package main

import (
	"fmt"
	"text/tabwriter"

	"squall/cluster"

	"github.com/spf13/cobra"
)

const clusterListHelp = `List the clusters that are up on this host. Only root sees embedded ones.

Usage:
  squall cluster list
`

func (c *cli) clusterList() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list",
		Args:              arguments(0, 0, "cluster list"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := c.usable(cmd.Context())
			if err != nil {
				return err
			}
			var infos []cluster.Info
			for _, p := range all {
				if err := p.Sweep(cmd.Context()); err != nil {
					return err
				}
				some, err := p.List(cmd.Context())
				if err != nil {
					return err
				}
				infos = append(infos, some...)
			}
			if len(infos) == 0 {
				c.say("no cluster is up")
				return nil
			}
			out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(out, "NAME\tPROVIDER\tKUBERNETES\tNODES\tAPI")
			for _, info := range infos {
				fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s\n", info.Name, info.Provider, info.Kubernetes, len(info.Nodes), info.Server)
			}
			return out.Flush()
		},
	}
	written(cmd, "list clusters", clusterListHelp)
	return cmd
}

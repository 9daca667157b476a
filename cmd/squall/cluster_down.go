package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

const clusterDownHelp = `Remove clusters and everything that is left of them.

Usage:
  squall cluster down NAME...

Removing a cluster that is not there succeeds. Embedded ones need root.

Try it:
  sudo squall cluster down demo
`

func (c *cli) clusterDown() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "down NAME...",
		Args:              arguments(1, -1, "cluster down NAME..."),
		ValidArgsFunction: c.completeCluster,
		RunE: func(cmd *cobra.Command, names []string) error {
			all, _, err := c.sources()
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range names {
				if err := all.remove(cmd.Context(), name); err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(c.stdout, "cluster %s is gone\n", name)
			}
			return errors.Join(errs...)
		},
	}
	written(cmd, "remove clusters", clusterDownHelp)
	return cmd
}

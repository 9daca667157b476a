package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

const clusterDownHelp = `Remove clusters and everything that is left of them. Embedded clusters need root.

Usage:
  squall cluster down NAME...

Removing a cluster that is not there succeeds.

Try it:
  sudo squall cluster down demo
`

func (c *cli) clusterDown() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "down NAME...",
		Args:              arguments(1, -1, "cluster down NAME..."),
		ValidArgsFunction: c.completeCluster,
		RunE: func(cmd *cobra.Command, names []string) error {
			all, err := c.usable(cmd.Context())
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range names {
				if err := removeFrom(cmd.Context(), name, all); err != nil {
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

// removeFrom removes a cluster from every provider: one that is coming up, or half
// gone, can be found nowhere.
func removeFrom(ctx context.Context, name string, all []provider) error {
	var errs []error
	for _, p := range all {
		errs = append(errs, p.Remove(ctx, name))
	}
	return errors.Join(errs...)
}

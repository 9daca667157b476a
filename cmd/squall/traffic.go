package main

import (
	"squall/workloads/traffic"

	"github.com/spf13/cobra"
)

const trafficHelp = `Send load as a run asks for it. Runs start this themselves, on the cluster's client host.

Usage:
  squall traffic < SPEC

  SPEC   one line of JSON, see the package squall/workloads/traffic

A result a line and a closing summary are written to standard output.
`

// trafficVerb is the verb under which a run starts the generator.
const trafficVerb = "traffic"

func (c *cli) traffic() *cobra.Command {
	cmd := &cobra.Command{
		Use:    trafficVerb,
		Hidden: true,
		Args:   arguments(0, 0, trafficVerb),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return traffic.Main(cmd.Context(), c.stdin, c.stdout)
		},
	}
	written(cmd, "send load", trafficHelp)
	return cmd
}

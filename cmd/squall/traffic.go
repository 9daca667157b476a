package main

import (
	"squall/workloads/traffic"
	"squall/workloads/traffic/plain"

	"github.com/spf13/cobra"
)

const trafficHelp = `Send load as a run asks for it. Runs start this themselves, on the cluster's client host.

Usage:
  squall traffic [FLAGS] < SPEC

  SPEC   one line of JSON, see the package squall/workloads/traffic

Results and a closing summary are written to standard output, as the package
squall/workloads/sample describes it.

Flags:
  --plain    send it as vegeta's own library does, to be compared with
`

// trafficVerb is the verb under which a run starts the generator.
const trafficVerb = "traffic"

func (c *cli) traffic() *cobra.Command {
	var asVegeta bool
	cmd := &cobra.Command{
		Use:    trafficVerb,
		Hidden: true,
		Args:   arguments(0, 0, trafficVerb),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asVegeta {
				return plain.Main(cmd.Context(), c.stdin, c.stdout)
			}
			return traffic.Main(cmd.Context(), c.stdin, c.stdout)
		},
	}
	written(cmd, "send load", trafficHelp)
	cmd.Flags().BoolVar(&asVegeta, "plain", false, "send it as vegeta's library does")
	return cmd
}

package main

import (
	"encoding/json"

	"squall/scenarios/oracle"

	"github.com/spf13/cobra"
)

const flagsHelp = `Print the flags with which the control plane's components run on this node. Runs start this
themselves, on the cluster's client host.

Usage:
  squall flags
`

// flagsVerb is the verb under which a run reads the cluster's flags.
const flagsVerb = "flags"

func (c *cli) flags() *cobra.Command {
	cmd := &cobra.Command{
		Use:    flagsVerb,
		Hidden: true,
		Args:   arguments(0, 0, flagsVerb),
		RunE: func(*cobra.Command, []string) error {
			started, err := oracle.Started("/proc")
			if err != nil {
				return err
			}
			return json.NewEncoder(c.stdout).Encode(started)
		},
	}
	written(cmd, "read flags", flagsHelp)
	return cmd
}

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"squall/scenarios/oracle"

	"github.com/spf13/cobra"
)

const flagsHelp = `Print the flags with which the control plane's components run on this node. Runs start this
themselves, on the cluster's client host.

Usage:
  squall flags [FLAGS]

Flags:
  --instead COMPONENT/FLAG=VALUE   print VALUE whatever it runs with; without =VALUE
                                   nothing, as for a flag that was not given. The
                                   bench of the oracle shifts flags by it
`

// flagsVerb is the verb under which a run reads the cluster's flags.
const flagsVerb = "flags"

func (c *cli) flags() *cobra.Command {
	var instead []string
	cmd := &cobra.Command{
		Use:    flagsVerb,
		Hidden: true,
		Args:   arguments(0, 0, flagsVerb),
		RunE: func(*cobra.Command, []string) error {
			started, err := oracle.Started("/proc")
			if err != nil {
				return err
			}
			for _, text := range instead {
				if err := sayInstead(started, text); err != nil {
					return misuse(err)
				}
			}
			return json.NewEncoder(c.stdout).Encode(started)
		},
	}
	written(cmd, "read flags", flagsHelp)
	cmd.Flags().StringArrayVar(&instead, "instead", nil, "flag to say another value of")
	return cmd
}

// sayInstead puts another value in the place of a flag that a component runs with,
// or takes the flag out.
func sayInstead(started map[string]map[string]string, text string) error {
	flag, value, given := strings.Cut(text, "=")
	component, flag, named := strings.Cut(flag, "/")
	if !named || started[component] == nil {
		return fmt.Errorf("--instead %s: it begins with a component that runs here, and a slash", text)
	}
	if delete(started[component], flag); given {
		started[component][flag] = value
	}
	return nil
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const validateHelp = `Check scenario files: shape, values, times, names, faults and expressions. Starts nothing.

Usage:
  squall validate SCENARIO|FILE...

  SCENARIO   a scenario that ships with Squall, such as pod-kill
  FILE       the path of a scenario file, with a slash or .yaml in it

Everything that is wrong is written to standard error, one finding a line, as
file:line:column: field: value: what is wrong. Exit code 2 when there is any.

Try it:
  squall validate pod-kill ./mine.yaml
`

func (c *cli) validate() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "validate SCENARIO|FILE...",
		Args:              arguments(1, -1, "validate SCENARIO|FILE..."),
		ValidArgsFunction: completeScenario,
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := loadScenarios(args)
			if err != nil {
				return err
			}
			for _, f := range files {
				spec := f.Scenario.Spec
				fmt.Fprintf(c.stdout, "%s: valid: %s, %d events, %d expectations, %d twins\n",
					f.Name, f.Scenario.Metadata.Name, len(spec.Timeline), len(spec.Expect), len(f.Twins))
			}
			return nil
		},
	}
	written(cmd, "check scenario files", validateHelp)
	return cmd
}

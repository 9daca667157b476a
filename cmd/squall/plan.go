package main

import (
	"squall/scenarios/plan"

	"github.com/spf13/cobra"
)

const planHelp = `Show what a run would do, and when: phases, loads, faults, and the pods each fault would pick.

Usage:
  squall plan SCENARIO|FILE [FLAGS]

  SCENARIO   a scenario that ships with Squall, such as pod-kill
  FILE       the path of a scenario file, with a slash or .yaml in it

Flags:
  --seed N       the seed that choices are drawn from; default 1
  --twin NAME    plan this twin instead of the scenario itself
  --calm         plan the calm control: no faults
  --json         write JSON, times in nanoseconds from the start of warmup

A plan depends on the scenario, the seed and Squall's version alone. It is the
same, byte for byte, on any host. Another seed picks other victims.

Try it:
  squall plan pod-kill --seed 7
  squall plan pod-kill --twin "one replica" --json
`

func (c *cli) plan() *cobra.Command {
	var seed uint64
	var twin string
	var calm, asJSON bool
	cmd := &cobra.Command{
		Use:               "plan SCENARIO|FILE",
		Args:              arguments(1, 1, "plan SCENARIO|FILE"),
		ValidArgsFunction: completeScenario,
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := loadScenarios(args)
			if err != nil {
				return err
			}
			s, err := twinNamed(files[0], twin)
			if err != nil {
				return err
			}
			p, err := plan.Make(s, seed, squallVersion(), calm)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = c.stdout.Write(p.JSON())
				return err
			}
			return p.Text(c.stdout)
		},
	}
	written(cmd, "show what a run would do", planHelp)
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed that choices are drawn from")
	cmd.Flags().StringVar(&twin, "twin", "", "plan this twin")
	cmd.Flags().BoolVar(&calm, "calm", false, "plan without faults")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

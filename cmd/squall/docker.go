package main

import (
	"errors"
	"fmt"

	"squall/cluster/kind/engine"

	"github.com/spf13/cobra"
)

const dockerHelp = `Make sure that a Docker engine answers, for kind clusters. Needs root to start one.

Usage:
  squall docker [FLAGS]

Flags:
  --stop   end the engine that this command has started; refused while containers
           run in it

Where an engine answers, nothing is done, and one that is there is never changed.
Where there is none, Debian's packages are installed and the engine is started. On a
host that withholds the capability CAP_SYS_RESOURCE it gets a runtime that leaves it
out: otherwise no privileged container, and so no node, would start. Its log, and that
runtime, are in ` + engine.Folder + `.

Try it:
  sudo squall docker && squall build node-image
`

func (c *cli) docker() *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use:               "docker",
		Args:              arguments(0, 0, "docker"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := engine.Starter{Folder: engine.Folder, Progress: c.say}
			if stop {
				return c.stopEngine(cmd, s)
			}
			return c.startEngine(cmd, s)
		},
	}
	written(cmd, "make sure that a Docker engine answers", dockerHelp)
	cmd.Flags().BoolVar(&stop, "stop", false, "end the engine that was started")
	return cmd
}

func (c *cli) startEngine(cmd *cobra.Command, s engine.Starter) error {
	started, err := s.Start(cmd.Context())
	if err != nil {
		return unfit(err)
	}
	found, err := engine.Look(cmd.Context())
	if err != nil {
		return unfit(err, `"squall doctor" says what this host lacks`)
	}
	how := "answers already"
	if started {
		how = "was started"
	}
	fmt.Fprintf(c.stdout, "the Docker engine %s %s\n", found.Version, how)
	return nil
}

func (c *cli) stopEngine(cmd *cobra.Command, s engine.Starter) error {
	stopped, err := s.Stop(cmd.Context())
	if err != nil {
		return unfit(err)
	}
	if !stopped {
		return misuse(errors.New("no Docker engine runs that this command has started"), "an engine that was there before is ended as it was started")
	}
	fmt.Fprintln(c.stdout, "the Docker engine is ended")
	return nil
}

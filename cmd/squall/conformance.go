package main

import (
	"context"
	"errors"
	"fmt"

	"squall/cluster/clustertest/conformance"

	"github.com/spf13/cobra"
)

const conformanceHelp = `Run Kubernetes' own conformance tests against a cluster.

Usage:
  squall conformance [NAME] [FLAGS]

  NAME   a cluster: one that is up and holds the tests' images, else one that is made with
         two workers and removed afterwards; default "conformance"

Flags:
  --kubeconfig FILE     test the cluster of this kubeconfig instead; needs no root
  --on WHAT             what makes the cluster: embedded, which needs Linux and root; kind,
                        which needs Docker; or auto, the default: embedded as root on
                        Linux, else kind
  --areas A,B           areas of tests, see --list; default all
  --focus REGEX         only tests whose name matches
  --list                list the chosen tests and leave
  --parallel N          tests at once, besides those that need the cluster alone; default 3
  --keep                leave the cluster that was made up
  --keep-results FILE   write the results to FILE, as JSON
  --logs DIR            keep the tests' reports and output in DIR, which is made
  --write-images DIR    write the images' archives to DIR, which is made, and leave
  --show FILE           print results that were kept as Markdown and leave

The tests and the images that they name are built the first time, which takes some minutes.
Nodes of a cluster that Squall did not make need the images first: write them with
--write-images, and import them on every node with "ctr -n k8s.io images import FILE".

The exit code is 0 when no test failed, 1 when some did.

Try it:
  sudo squall conformance --areas deployments,dns
`

// conformanceAsked is what "squall conformance" was asked for.
type conformanceAsked struct {
	name, kubeconfig, results, logs, images, show, on string
	choice                                            conformance.Choice
	parallel                                          int
	list, keep                                        bool
}

func (c *cli) conformance() *cobra.Command {
	asked := conformanceAsked{name: "conformance"}
	cmd := &cobra.Command{
		Use:               "conformance [NAME]",
		Args:              arguments(0, 1, "conformance [NAME]"),
		ValidArgsFunction: c.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				asked.name = args[0]
			}
			return c.runConformance(cmd.Context(), asked)
		},
	}
	written(cmd, "run Kubernetes' conformance tests", conformanceHelp)
	flags := cmd.Flags()
	addProviderFlag(cmd, &asked.on)
	flags.StringVar(&asked.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster")
	flags.StringSliceVar(&asked.choice.Areas, "areas", nil, "areas of tests")
	flags.StringVar(&asked.choice.Focus, "focus", "", "regular expression for names of tests")
	flags.BoolVar(&asked.list, "list", false, "list the chosen tests")
	flags.IntVar(&asked.parallel, "parallel", 3, "tests at once")
	flags.BoolVar(&asked.keep, "keep", false, "leave the cluster up")
	flags.StringVar(&asked.results, "keep-results", "", "file for the results")
	flags.StringVar(&asked.logs, "logs", "", "folder for the tests' output")
	flags.StringVar(&asked.images, "write-images", "", "folder for the images' archives")
	flags.StringVar(&asked.show, "show", "", "file with results to print")
	return cmd
}

func (c *cli) runConformance(ctx context.Context, asked conformanceAsked) error {
	if asked.show != "" {
		results, err := conformance.Load(asked.show)
		if err != nil {
			return misuse(err)
		}
		return results.WriteMarkdown(c.stdout)
	}
	if err := errors.Join(checkProvider(asked.on), asked.choice.Check()); err != nil {
		return misuse(err, `"squall conformance --list" shows all tests with their areas`)
	}
	if asked.parallel < 1 {
		return misuse(fmt.Errorf("--parallel %d: at least one test at once", asked.parallel))
	}
	if err := c.checkConformance(ctx, asked); err != nil {
		return err
	}
	run, err := c.conformanceRun(ctx, asked)
	if err != nil {
		return noGo(err)
	}
	if asked.images != "" {
		return run.writeImages(ctx, asked.images)
	}
	if run.tests, err = conformance.List(ctx, run.programs); err != nil {
		return err
	}
	if run.tests, err = asked.choice.Choose(run.tests); err != nil {
		return misuse(err, `"squall conformance --list" shows all tests with their areas`)
	}
	switch {
	case asked.list:
		for _, t := range run.tests {
			fmt.Fprintf(c.stdout, "%s\t%s\n", t.Area, t.Name)
		}
		return nil
	case asked.kubeconfig != "":
		return run.test(ctx, asked.kubeconfig, "")
	}
	return run.testNamed(ctx)
}

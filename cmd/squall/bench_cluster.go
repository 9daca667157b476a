package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"squall/cluster/components"
	"squall/cluster/embedded"
	"squall/cluster/kind/engine"
	"squall/workloads"
	"squall/workloads/image"

	"github.com/spf13/cobra"
)

const benchClusterHelp = `Measure how fast clusters start and end. Embedded ones need root, those of
containers a Docker engine.

Usage:
  squall bench cluster [FLAGS]

Flags:
  --starts N     starts of each sort; default 5
  --workers N    worker nodes, 1 to 5; default 2
  --sorts LIST   what to compare, separated by commas; default
                 prepared,first,plain,bare
  --against SORT what the ratios are to; default prepared

The sorts take turns, so that all of them see the same machine:
  prepared   as every start but a version's first
  first      with compiled components but nothing prepared
  plain      prepared, without metrics, storage, policy and loadbalancers
  unstored   prepared, but images are unpacked at the start
  one, three prepared, with one worker and with three
  bare       no cluster: etcd and an API server as two plain processes, which is
             what controller tests (envtest) start; ready once it takes a write
  kind       containers, as runs on kind have them
  kind-command
             containers of the same image as the kind command makes them, untuned;
             then the same add-ons, and the shop once all is ready
Of each the median is shown, with the least and the largest value:
  ready      nothing → all nodes Ready, DNS answering
  serving    nothing → the sample shop has answered a request
  CPU        processor time of the whole cluster until ready
  teardown   until all is gone
  ratio      serving (for bare: ready) to that of the sort after --against
For "prepared" also the memory that is resident when the shop serves, and where
the seconds went: when the last node had reached each point.

Try it:
  sudo squall bench cluster --starts 3 --sorts prepared,one,three
  sudo squall bench cluster --sorts prepared,kind,kind-command --against kind-command
`

// benchmark measures starts.
type benchmark struct {
	c        *cli
	cache    string
	workers  int
	tree     components.Tree
	rendered workloads.Rendered
	images   []image.Image
}

func (c *cli) benchCluster() *cobra.Command {
	var starts, workers int
	var against string
	var sorts []string
	cmd := &cobra.Command{
		Use:               "cluster",
		Args:              arguments(0, 0, "bench cluster"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if starts < 1 || workers < 1 || workers > embedded.MaxWorkers {
				return misuse(fmt.Errorf("--starts %d --workers %d: at least one start, 1 to %d workers", starts, workers, embedded.MaxWorkers))
			}
			if len(sorts) == 0 {
				return misuse(errors.New("--sorts: nothing to compare; there are " + strings.Join(startSorts(), ", ")))
			}
			for _, s := range sorts {
				if !slices.Contains(startSorts(), s) {
					return misuse(fmt.Errorf("--sorts: there is no sort %q; there are %s", s, strings.Join(startSorts(), ", ")))
				}
			}
			if cmd.Flags().Changed("against") && !slices.Contains(sorts, against) {
				return misuse(fmt.Errorf("--against %q: not among what is compared, %s", against, strings.Join(sorts, ", ")))
			}
			return c.measureStarts(cmd.Context(), starts, workers, sorts, against)
		},
	}
	written(cmd, "measure how fast clusters start", benchClusterHelp)
	cmd.Flags().IntVar(&starts, "starts", 5, "starts of each sort")
	cmd.Flags().IntVar(&workers, "workers", 2, "worker nodes")
	cmd.Flags().StringVar(&against, "against", sortPrepared, "what the ratios are to")
	cmd.Flags().StringSliceVar(&sorts, "sorts", []string{sortPrepared, sortFirst, sortPlain, sortBare}, "what to compare")
	return cmd
}

func (c *cli) measureStarts(ctx context.Context, starts, workers int, sorts []string, against string) error {
	if slices.ContainsFunc(sorts, func(s string) bool { return !onKind(s) }) {
		if err := c.checkHost(); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(sorts, onKind) {
		if _, err := engine.Look(ctx); err != nil {
			return noGo(err)
		}
	}
	cache, err := c.cache()
	if err != nil {
		return err
	}
	components, images := builders(cache, c.say)
	tree, err := components.Build(ctx)
	if err != nil {
		return noGo(err)
	}
	b := benchmark{c: c, cache: cache, workers: workers, tree: tree}
	if b.rendered, b.images, err = benchShop(ctx, images); err != nil {
		return noGo(err)
	}
	if err := b.warm(ctx, sorts); err != nil {
		return err
	}
	results := map[string][]startResult{}
	for i := range starts {
		for _, sort := range sorts {
			one, err := b.start(ctx, sort)
			if err != nil {
				return err
			}
			results[sort] = append(results[sort], one)
			c.say(fmt.Sprintf("%d of %d: %-12s %.2f s", i+1, starts, sort, one.end()))
		}
	}
	return c.showStarts(sorts, against, results)
}

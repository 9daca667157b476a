package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/workloads"
	"squall/workloads/image"
	"squall/workloads/traffic"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
)

const benchClusterHelp = `Measure how fast clusters start and end. Needs root.

Usage:
  squall bench cluster [FLAGS]

Flags:
  --starts N     starts of each sort; default 5
  --workers N    worker nodes, 1 to 3; default 2

Two sorts of starts take turns: "first", with compiled components but nothing
prepared, and "prepared", as every later one. Of each the median is shown, with
the least and the largest value:
  ready      nothing → all nodes Ready, DNS answering
  serving    nothing → the sample shop has answered a request
  CPU        processor time of the whole cluster until ready
  teardown   until all is gone
  memory     resident: supervisor, janitor and this command together
  nodes      resident: what Squall itself runs in the nodes, all together

Try it:
  sudo squall bench cluster --starts 3
`

// benchmark measures starts.
type benchmark struct {
	c        *cli
	cache    string
	workers  int
	rendered workloads.Rendered
	images   []image.Image
}

// startResult is what one start showed, in seconds and MB.
type startResult struct{ ready, serving, cpu, teardown, memory, nodes float64 }

func (c *cli) benchCluster() *cobra.Command {
	var starts, workers int
	cmd := &cobra.Command{
		Use:               "cluster",
		Args:              arguments(0, 0, "bench cluster"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if starts < 1 || workers < 1 || workers > embedded.MaxWorkers {
				return misuse(fmt.Errorf("--starts %d --workers %d: at least one start, 1 to %d workers", starts, workers, embedded.MaxWorkers))
			}
			return c.measureStarts(cmd.Context(), starts, workers)
		},
	}
	written(cmd, "measure how fast clusters start", benchClusterHelp)
	cmd.Flags().IntVar(&starts, "starts", 5, "starts of each sort")
	cmd.Flags().IntVar(&workers, "workers", 2, "worker nodes")
	return cmd
}

func (c *cli) measureStarts(ctx context.Context, starts, workers int) error {
	if err := c.checkHost(); err != nil {
		return err
	}
	cache, err := c.cache()
	if err != nil {
		return err
	}
	components, images := builders(cache, c.say)
	if _, err := components.Build(ctx); err != nil {
		return noGo(err)
	}
	b := benchmark{c: c, cache: cache, workers: workers}
	if b.rendered, b.images, err = benchShop(ctx, images); err != nil {
		return noGo(err)
	}
	if _, err := b.start(ctx, cache); err != nil { // so that prepared state is there
		return err
	}
	var first, prepared []startResult
	for i := range starts {
		one, err := b.first(ctx)
		if err != nil {
			return err
		}
		other, err := b.start(ctx, cache)
		if err != nil {
			return err
		}
		first, prepared = append(first, one), append(prepared, other)
		c.say(fmt.Sprintf("%d of %d: first %.2f s, prepared %.2f s until the shop serves", i+1, starts, one.serving, other.serving))
	}
	return c.showStarts(first, prepared)
}

// first measures a start from a cache that holds components and images alone.
func (b benchmark) first(ctx context.Context) (startResult, error) {
	bare, err := os.MkdirTemp(b.cache, "bench-") // beside the rest: files are linked, not copied
	if err != nil {
		return startResult{}, fmt.Errorf("make a cache for a first start: %w", err)
	}
	defer os.RemoveAll(bare)
	for _, part := range []string{componentsFolder, imagesFolder} {
		if err := os.Symlink(filepath.Join(b.cache, part), filepath.Join(bare, part)); err != nil {
			return startResult{}, fmt.Errorf("make a cache for a first start: %w", err)
		}
	}
	return b.start(ctx, bare)
}

// start measures one start and the teardown.
func (b benchmark) start(ctx context.Context, cache string) (result startResult, err error) {
	p := embedded.New(cache)
	name := fmt.Sprintf("bench-%d", os.Getpid())
	began := time.Now()
	up, err := p.Create(ctx, cluster.Spec{
		Name: name, Workers: b.workers, Images: b.images,
		NodeCPU: resource.MustParse("2"), NodeMemory: resource.MustParse("2Gi"),
	}, nil)
	if err != nil {
		return result, err
	}
	result.ready = time.Since(began).Seconds()
	defer func() {
		ending := time.Now()
		// Also when ctx has ended: what was made is removed.
		err = errors.Join(err, p.Remove(context.WithoutCancel(ctx), name))
		result.teardown = time.Since(ending).Seconds()
	}()
	if result.cpu, err = up.CPUSeconds(); err != nil {
		return result, err
	}
	if err := deployShop(ctx, up, b.rendered); err != nil {
		return result, err
	}
	answered := false
	_, err = sendLoad(ctx, up, shopLoad(up, 100, benchLimit), func(r traffic.Result) bool {
		answered = r.Code == 200
		return answered
	})
	if err != nil || !answered {
		return result, errors.Join(fmt.Errorf("the shop did not answer within %s", benchLimit), err)
	}
	result.serving = time.Since(began).Seconds()
	result.memory, result.nodes = ownMemory()
	return result, nil
}

func (c *cli) showStarts(first, prepared []startResult) error {
	fmt.Fprintf(c.stdout, "%d starts of each sort: median (least to largest)\n\n", len(first))
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "\tPREPARED\tFIRST")
	for _, row := range []struct {
		name, unit string
		of         func(startResult) float64
	}{
		{"ready", "s", func(r startResult) float64 { return r.ready }},
		{"serving", "s", func(r startResult) float64 { return r.serving }},
		{"CPU", "s", func(r startResult) float64 { return r.cpu }},
		{"teardown", "s", func(r startResult) float64 { return r.teardown }},
		{"memory", "MB", func(r startResult) float64 { return r.memory }},
		{"nodes", "MB", func(r startResult) float64 { return r.nodes }},
	} {
		fmt.Fprintf(out, "%s\t%s\t%s\n", row.name, sampled(prepared, row.of).spread(row.unit), sampled(first, row.of).spread(row.unit))
	}
	return out.Flush()
}

// sampled takes one measure out of results.
func sampled(results []startResult, of func(startResult) float64) sample {
	var s sample
	for _, r := range results {
		s = append(s, of(r))
	}
	return s
}

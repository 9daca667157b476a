package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"squall/cluster"
	"squall/workloads/traffic"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
)

const benchLoadHelp = `Measure how much load one generator sends honestly, gateway → catalog.

Usage:
  squall bench load [FLAGS]

Flags:
  --for DURATION   how long each rate is held; default 10s
  --against vegeta compare with vegeta's own library, both against a server on the
                   loopback: no cluster, no root
  --rounds N       how often each is measured then, by turns; default 3
  --on WHAT        what makes the cluster: embedded, kind or auto, the default: embedded
                   as root on Linux, else kind

First 1000 requests a second are held, then the rate grows by half until it is not
held honestly any more. A rate is honest when nothing is skipped and the send lag,
the time from due to sent, has a p99 of at most 10 ms.

With --against the rates are 1000 and 5000 a second, then 1000 against a server that
answers nothing for 3 s, where vegeta has 50 workers, as people give it. True is the time
from when requests were due by the schedule to when the server had answered.

Try it:
  sudo squall bench load
  squall bench load --against vegeta
`

// maxBenchLag is the largest p99 of the send lag of an honest rate.
const maxBenchLag = 10 * time.Millisecond

// rateResult is what one rate showed.
type rateResult struct {
	rate    float64
	summary traffic.Summary
	bad     uint64
}

// honest tells whether the generator kept its word.
func (r rateResult) honest() bool {
	return r.summary.Skipped == 0 && r.summary.Sent > 0 && r.summary.LagP99 <= maxBenchLag
}

func (c *cli) benchLoad() *cobra.Command {
	var length time.Duration
	var on, against string
	var rounds int
	cmd := &cobra.Command{
		Use:               "load",
		Args:              arguments(0, 0, "bench load"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length < time.Second {
				return misuse(fmt.Errorf("--for %s: at least 1s", length))
			}
			if against != "" {
				if against != "vegeta" || rounds < 1 {
					return misuse(fmt.Errorf("--against %s --rounds %d: it is vegeta, and at least one round", against, rounds))
				}
				return c.compareLoads(cmd.Context(), rounds, length)
			}
			if err := checkProvider(on); err != nil {
				return misuse(err)
			}
			return c.measureLoad(cmd.Context(), on, length)
		},
	}
	written(cmd, "measure how much load is sent honestly", benchLoadHelp)
	cmd.Flags().DurationVar(&length, "for", 10*time.Second, "how long each rate is held")
	cmd.Flags().StringVar(&against, "against", "", "an engine to compare with")
	cmd.Flags().IntVar(&rounds, "rounds", 3, "how often each is measured")
	addProviderFlag(cmd, &on)
	return cmd
}

func (c *cli) measureLoad(ctx context.Context, on string, length time.Duration) (err error) {
	p, cache, err := c.maker(ctx, on)
	if err != nil {
		return err
	}
	_, builder := builders(cache, c.say)
	rendered, images, err := benchShop(ctx, builder)
	if err != nil {
		return noGo(err)
	}
	name := fmt.Sprintf("bench-%d", os.Getpid())
	up, err := p.Create(ctx, cluster.Spec{
		Name: name, Workers: 2, Images: images,
		NodeCPU: resource.MustParse("2"), NodeMemory: resource.MustParse("2Gi"),
		Early: func(ctx context.Context, kubeconfig []byte) error { return deployShop(ctx, kubeconfig, rendered) },
	}, c.say)
	if err != nil {
		return err
	}
	// Also when ctx has ended: what was made is removed.
	defer func() { err = errors.Join(err, p.Remove(context.WithoutCancel(ctx), name)) }()
	if err := awaitShop(ctx, up, rendered); err != nil {
		return err
	}
	return c.raiseLoad(ctx, up, length)
}

// raiseLoad holds higher and higher rates, each shown as it ends.
func (c *cli) raiseLoad(ctx context.Context, up cluster.Cluster, length time.Duration) error {
	out := tabwriter.NewWriter(c.stdout, 10, 8, 2, ' ', 0)
	fmt.Fprintln(out, "RATE\tSENT\tSKIPPED\tNOT 200\tLAG P50\tLAG P99\tLAG MAX\tCPU")
	best := 0.0
	for rate := 1000.0; rate <= traffic.MaxRate; rate = float64(int(rate * 1.5)) {
		r, err := hold(ctx, up, rate, length)
		if err != nil {
			return err
		}
		s := r.summary
		fmt.Fprintf(out, "%.0f/s\t%d\t%d\t%d\t%s\t%s\t%s\t%.0f %%\n", rate, s.Sent, s.Skipped, r.bad,
			short(s.LagP50), short(s.LagP99), short(s.LagMax), 100*s.CPU.Seconds()/length.Seconds())
		if err := out.Flush(); err != nil {
			return err
		}
		if !r.honest() {
			break
		}
		best = rate
	}
	if best == 0 {
		_, err := fmt.Fprintln(c.stdout, "\nnot even 1000/s is sent honestly on this host now")
		return err
	}
	_, err := fmt.Fprintf(c.stdout, "\nthe highest honest rate tried is %.0f/s\n", best)
	return err
}

// hold sends one rate for some time.
func hold(ctx context.Context, up cluster.Cluster, rate float64, length time.Duration) (rateResult, error) {
	r := rateResult{rate: rate}
	var err error
	r.summary, err = sendLoad(ctx, up, shopLoad(up, rate, length), func(one traffic.Result) bool {
		if !one.Skipped && one.Code != 200 {
			r.bad++
		}
		return false
	})
	return r, err
}

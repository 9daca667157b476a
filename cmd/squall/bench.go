package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/workloads"
	"squall/workloads/image"
	"squall/workloads/shop"
	"squall/workloads/traffic"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const benchHelp = `Measure clusters and load on this host. The numbers are shown, not judged.

Usage:
  squall bench cluster [FLAGS]
  squall bench load [FLAGS]
  squall bench nodes [FLAGS]
  squall bench oracle [FLAGS]
  squall bench verdicts [SCENARIO|FILE] [FLAGS]

"squall bench VERB --help" explains each. Embedded clusters need root.
`

func (c *cli) bench() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Args: unknownVerb, RunE: needVerb}
	written(cmd, "measure clusters and load", benchHelp)
	cmd.AddCommand(c.benchCluster(), c.benchLoad(), c.benchNodes(), c.benchOracle(), c.benchVerdicts())
	return cmd
}

// benchLimit bounds the shop's coming up and each look at it, which take some
// seconds; it only catches what will never end.
const benchLimit = 2 * time.Minute

// The sample shop, as benchmarks deploy it: one gateway, one catalog.
const (
	benchNamespace = "squall"
	benchURL       = "http://gateway.squall.svc.cluster.local.:8080/catalog"
)

// benchShop is the shop and its image.
func benchShop(ctx context.Context, images image.Builder) (workloads.Rendered, []image.Image, error) {
	rendered, err := workloads.Render("shop", benchNamespace, &shop.Spec{Services: []string{"gateway", "catalog"}}, nil)
	if err != nil {
		return rendered, nil, err
	}
	built, err := images.FromProgram(ctx, shop.Program())
	return rendered, []image.Image{built}, err
}

// deployShop deploys the shop, as early work does.
func deployShop(ctx context.Context, kubeconfig []byte, rendered workloads.Rendered) error {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	return workloads.Apply(ctx, config, rendered)
}

// awaitShop waits until the shop is ready.
func awaitShop(ctx context.Context, up cluster.Cluster, rendered workloads.Rendered) error {
	ctx, cancel := context.WithTimeoutCause(ctx, benchLimit, fmt.Errorf("not within %s", benchLimit))
	defer cancel()
	kubeconfig, err := up.Kubeconfig()
	if err != nil {
		return err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	return workloads.WaitReady(ctx, client, rendered)
}

// errEnough ends a load from within.
var errEnough = errors.New("enough")

// sendLoad sends load from the client host, one generator process, until the
// spec's end or until result says that it has seen enough.
func sendLoad(ctx context.Context, up cluster.Cluster, spec traffic.Spec, enough func(traffic.Result) bool) (traffic.Summary, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, spec.Until+benchLimit, fmt.Errorf("the generator has not ended within %s", spec.Until+benchLimit))
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return traffic.Summary{}, fmt.Errorf("find the load generator: %w", err)
	}
	order, err := json.Marshal(spec)
	if err != nil {
		return traffic.Summary{}, err
	}
	in, orders := io.Pipe()
	out, results := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := up.Exec(ctx, cluster.Exec{Argv: []string{self, trafficVerb}, Stdin: in, Stdout: results, Stderr: os.Stderr})
		in.CloseWithError(errEnough)
		results.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	if _, err := orders.Write(append(order, '\n')); err != nil {
		return traffic.Summary{}, fmt.Errorf("start the load generator: %w", <-ended)
	}
	stopped := false
	summary, err := traffic.Read(out, func(r traffic.Result) {
		if !stopped && enough(r) {
			stopped = true
			orders.Close() // the generator ends when its input does
		}
	})
	orders.Close()
	out.Close()
	return summary, errors.Join(err, <-ended)
}

// shopLoad is a load on the shop from now on.
func shopLoad(up cluster.Cluster, rate float64, length time.Duration) traffic.Spec {
	return traffic.Spec{
		Name: "bench", URL: benchURL, Rate: rate, Base: traffic.Monotonic(),
		From: 200 * time.Millisecond, Until: 200*time.Millisecond + length, // the generator starts meanwhile
		Nameserver: net.JoinHostPort(up.Info().DNS, "53"),
	}
}

// sample is a set of measurements of one thing.
type sample []float64

// median is the middle value; 0 without any.
func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// spread is the median with the least and the largest value.
func (s sample) spread(unit string) string {
	if len(s) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.2f %s (%.2f to %.2f)", s.median(), unit, slices.Min(s), slices.Max(s))
}

// short writes a duration for people.
func short(d time.Duration) string { return reports.Duration(d) }

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"squall/cluster"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const benchNodesHelp = `Measure how Kubernetes notices what is done to a node.

Usage:
  squall bench nodes [FLAGS]

Flags:
  --rounds N      how often each action is done; default 3
  --timers LIST   fast, stock or both, separated by a comma; default fast
  --on WHAT       what makes the cluster: embedded, kind or auto, the default: embedded
                  as root on Linux, else kind

Each action is done to a worker, and undone once its Node is NotReady:
  done       until the action was done
  NotReady   from the action on, and what the cluster's timers predict
  undone     until its opposite was done
  Ready      from the opposite on, and what the timers predict
Of each the median is shown, with the least and the largest value. A round of all
actions takes a minute with fast timers and five with stock ones.

Try it:
  sudo squall bench nodes --timers fast,stock --rounds 1
`

func (c *cli) benchNodes() *cobra.Command {
	var rounds int
	var timers []string
	var on string
	cmd := &cobra.Command{
		Use:               "nodes",
		Args:              arguments(0, 0, "bench nodes"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rounds < 1 {
				return misuse(fmt.Errorf("--rounds %d: at least one", rounds))
			}
			for _, name := range timers {
				if _, err := cluster.Timers(name).Set(); err != nil {
					return misuse(fmt.Errorf("--timers: %w", err))
				}
			}
			if err := checkProvider(on); err != nil {
				return misuse(err)
			}
			p, _, err := c.maker(cmd.Context(), on)
			if err != nil {
				return err
			}
			for _, name := range timers {
				if err := c.measureNodes(cmd.Context(), p, cluster.Timers(name), rounds); err != nil {
					return err
				}
			}
			return nil
		},
	}
	written(cmd, "measure how Kubernetes notices what is done to a node", benchNodesHelp)
	cmd.Flags().IntVar(&rounds, "rounds", 3, "how often each action is done")
	cmd.Flags().StringSliceVar(&timers, "timers", []string{string(cluster.FastTimers)}, "fast, stock or both")
	addProviderFlag(cmd, &on)
	return cmd
}

// nodePair is an action and its opposite, with what was measured in seconds.
type nodePair struct {
	action, undo                  cluster.NodeAction
	done, notReady, undone, ready sample
}

// measureNodes does every action to the worker of a cluster with these timers.
func (c *cli) measureNodes(ctx context.Context, p cluster.Provider, timers cluster.Timers, rounds int) error {
	set, err := timers.Set()
	if err != nil {
		return err
	}
	up, err := p.Create(ctx, cluster.Spec{
		Name: "bench-nodes", Workers: 1, Timers: timers,
		NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("2Gi"),
	}, c.say)
	if err != nil {
		return notMade(err)
	}
	defer func() { _ = p.Remove(context.WithoutCancel(ctx), up.Info().Name) }() // else it ends with this process
	watched, err := watchNode(up)
	if err != nil {
		return err
	}
	pairs := []*nodePair{
		{action: cluster.PowerOff, undo: cluster.Start}, {action: cluster.Stop, undo: cluster.Start},
		{action: cluster.Pause, undo: cluster.Resume}, {action: cluster.CutOff, undo: cluster.Reconnect},
	}
	for i := range rounds {
		for _, pair := range pairs {
			if err := pair.measure(ctx, up, watched); err != nil {
				return fmt.Errorf("measuring %s: %w", pair.action, err)
			}
			c.say(fmt.Sprintf("%s timers, %d of %d: %-9s NotReady %.1f s, %s Ready %.1f s", timers, i+1, rounds,
				pair.action, pair.notReady[i], pair.undo, pair.ready[i]))
		}
	}
	return showNodes(c.stdout, timers, set, pairs)
}

// watchedNode is the node that things are done to, as the API sees it.
type watchedNode struct {
	name   string
	client kubernetes.Interface
}

// watchNode returns the last node of a cluster, which is a worker.
func watchNode(up cluster.Cluster) (watchedNode, error) {
	kubeconfig, err := up.Kubeconfig()
	if err != nil {
		return watchedNode{}, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return watchedNode{}, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return watchedNode{}, fmt.Errorf("make a client: %w", err)
	}
	nodes := up.Info().Nodes
	return watchedNode{name: nodes[len(nodes)-1].Name, client: client}, nil
}

// wait waits until the node's Ready condition is True, or is not.
func (w watchedNode) wait(ctx context.Context, ready bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, benchLimit, fmt.Errorf("not within %s", benchLimit))
	defer cancel()
	last := "nothing"
	for {
		n, err := w.client.CoreV1().Nodes().Get(ctx, w.name, metav1.GetOptions{})
		if err != nil {
			last = err.Error()
		} else {
			i := slices.IndexFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
			if i >= 0 && (n.Status.Conditions[i].Status == corev1.ConditionTrue) == ready {
				return nil
			}
			last = fmt.Sprintf("%+v", n.Status.Conditions)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s is Ready=%t: %w; last seen: %s", w.name, ready, context.Cause(ctx), last)
		case <-time.After(50 * time.Millisecond): // finer than anything that is shown
		}
	}
}

// measure does an action once and undoes it.
func (p *nodePair) measure(ctx context.Context, up cluster.Cluster, node watchedNode) error {
	for _, step := range []struct {
		action cluster.NodeAction
		ready  bool
		did    *sample
		seen   *sample
	}{{p.action, false, &p.done, &p.notReady}, {p.undo, true, &p.undone, &p.ready}} {
		began := time.Now()
		if err := up.Nodes().Act(ctx, node.name, step.action); err != nil {
			return err
		}
		*step.did = append(*step.did, time.Since(began).Seconds())
		if err := node.wait(ctx, step.ready); err != nil {
			return err
		}
		*step.seen = append(*step.seen, time.Since(began).Seconds())
	}
	return nil
}

// pingTimeout is after how long a client of the API gives up a connection on
// which nothing is answered: HTTP/2's 30 s of silence and 15 s for a ping
// (k8s.io/apimachinery v0.36: pkg/util/net/http.go).
const pingTimeout = 45 * time.Second

// predictReady is by when a node that was silent for some time is Ready again
// after its silence was ended. A kubelet reports when it next computes its
// status; a new one has to start first. Over a link that was down TCP sends again
// after pauses that double, so at the latest as long after as it was down.
func predictReady(undo cluster.NodeAction, set cluster.TimerSet, silent time.Duration) time.Duration {
	const startUp = 3 * time.Second
	switch undo {
	case cluster.Start:
		return startUp
	case cluster.Resume:
		return set.NodeStatusUpdate + time.Second
	}
	return min(silent, pingTimeout) + set.NodeStatusUpdate + time.Second
}

func showNodes(w io.Writer, timers cluster.Timers, set cluster.TimerSet, pairs []*nodePair) error {
	least, most := set.NotReady()
	fmt.Fprintf(w, "%s timers: NotReady is predicted %.0f to %.0f s after a node falls silent\n\n", timers, least.Seconds(), most.Seconds())
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join([]string{"ACTION", "DONE", "NOTREADY", "THEN", "DONE", "READY", "PREDICTED"}, "\t"))
	for _, p := range pairs {
		silent := time.Duration(slices.Max(p.notReady) * float64(time.Second))
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\tbelow %.0f s\n", p.action, p.done.spread("s"), p.notReady.spread("s"),
			p.undo, p.undone.spread("s"), p.ready.spread("s"), predictReady(p.undo, set, silent).Seconds())
	}
	return out.Flush()
}

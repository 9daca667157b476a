package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"squall/cluster"

	"github.com/spf13/cobra"
)

const clusterNodeHelp = `Act on the nodes of a cluster from outside them, as on machines.

Usage:
  squall cluster node list CLUSTER
  squall cluster node power-off|stop|start CLUSTER NODE
  squall cluster node pause|resume CLUSTER NODE
  squall cluster node cut-off|reconnect CLUSTER NODE
  squall cluster node add CLUSTER
  squall cluster node remove CLUSTER NODE
  squall cluster node logs CLUSTER NODE PROGRAM

"squall cluster node VERB --help" explains each. None waits for what Kubernetes
makes of it, and what is done already succeeds and does nothing. Nodes of embedded
clusters need root.
`

func (c *cli) clusterNode() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Args: unknownVerb, RunE: needVerb}
	written(cmd, "act on the nodes of a cluster", clusterNodeHelp)
	cmd.AddCommand(c.nodeList(), c.nodeAdd(), c.nodeRemove(), c.nodeLogs())
	for _, v := range nodeVerbs() {
		cmd.AddCommand(c.nodeAct(v))
	}
	return cmd
}

// nodeVerb is a verb that does one thing to a node.
type nodeVerb struct {
	action       cluster.NodeAction
	short, done  string
	explanations string
}

func nodeVerbs() []nodeVerb {
	return []nodeVerb{
		{cluster.PowerOff, "switch a node off at once", "is off", `Switch a node off at once: its link drops, then everything on it dies. No
connection is closed, so the others notice by silence alone. Its disks stay.`},
		{cluster.Stop, "shut a node down in order", "is off", `Shut a node down: its kubelet ends, its pods are asked to end and have 30 s to do
so, then it is switched off. Its disks stay. Nobody tells the API, as on a machine
without graceful node shutdown: it turns NotReady by silence.`},
		{cluster.Start, "switch a node on again", "is on", `Switch a node on that is off: the same address, the disks that it had; what was in
its memory is gone. Returns once its programs are started.`},
		{cluster.Pause, "stop all processes of a node where they stand", "is paused", `Stop every process of a node where it stands. Connections stay open, and nothing
is served.`},
		{cluster.Resume, "let a paused node go on", "goes on", `Let the processes of a paused node go on.`},
		{cluster.CutOff, "take a node's link down", "is cut off", `Take the link of a node down, both ways. All on it goes on.`},
		{cluster.Reconnect, "put a node's link back up", "is connected", `Put the link of a node back up.`},
	}
}

// nodeAct is the command of such a verb.
func (c *cli) nodeAct(v nodeVerb) *cobra.Command {
	verb := string(v.action)
	cmd := &cobra.Command{
		Use:               verb + " CLUSTER NODE",
		Args:              arguments(2, 2, "cluster node "+verb+" CLUSTER NODE"),
		ValidArgsFunction: c.completeNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onNodes(cmd.Context(), args[0], func(ctx context.Context, nodes cluster.Nodes) error {
				if err := nodes.Act(ctx, args[1], v.action); err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "node %s of cluster %s %s\n", args[1], args[0], v.done)
				return nil
			})
		},
	}
	written(cmd, v.short, v.explanations+`

Usage:
  squall cluster node `+verb+` CLUSTER NODE

Try it:
  sudo squall cluster node `+verb+` demo worker-1
`)
	return cmd
}

// onNodes finds a cluster and does something to its nodes.
func (c *cli) onNodes(ctx context.Context, name string, do func(context.Context, cluster.Nodes) error) error {
	found, err := c.find(ctx, name)
	if err != nil {
		return err
	}
	err = do(ctx, found.Nodes())
	if errors.Is(err, cluster.ErrNoNode) || errors.Is(err, cluster.ErrUnsupported) {
		return misuse(err, fmt.Sprintf(`"squall cluster node list %s" shows its nodes`, name))
	}
	return notMade(err)
}

const nodeListHelp = `List the nodes of a cluster as its host sees them, whatever the API says.

Usage:
  squall cluster node list CLUSTER
`

func (c *cli) nodeList() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list CLUSTER",
		Args:              arguments(1, 1, "cluster node list CLUSTER"),
		ValidArgsFunction: c.completeNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onNodes(cmd.Context(), args[0], c.listNodes)
		},
	}
	written(cmd, "list nodes", nodeListHelp)
	return cmd
}

func (c *cli) listNodes(ctx context.Context, nodes cluster.Nodes) error {
	states, err := nodes.States(ctx)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "NAME\tADDRESS\tPOWER\tPROCESSES\tLINK")
	for _, s := range states {
		power, processes, link := "on", "running", "up"
		if s.Paused {
			processes = "paused"
		}
		if !s.Linked {
			link = "down"
		}
		if !s.Up {
			power, processes = "off", "none"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Address, power, processes, link)
	}
	return out.Flush()
}

// completeNode completes a cluster's name and then one of its nodes'.
func (c *cli) completeNode(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeCluster(cmd, args, text)
	}
	var names []string
	if found, err := c.find(cmd.Context(), args[0]); err == nil && len(args) == 1 {
		for _, n := range found.Info().Nodes {
			names = append(names, n.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

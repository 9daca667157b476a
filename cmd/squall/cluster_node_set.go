package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"squall/cluster"

	"github.com/spf13/cobra"
)

const nodeAddHelp = `Add a worker to a cluster, of the size of the others.

Usage:
  squall cluster node add CLUSTER

It gets the next name that no node has had. Returns once its programs are
started; it is Ready a moment later. A cluster grows to 16 nodes.

Try it:
  sudo squall cluster node add demo
`

func (c *cli) nodeAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "add CLUSTER",
		Args:              arguments(1, 1, "cluster node add CLUSTER"),
		ValidArgsFunction: c.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onNodes(cmd.Context(), args[0], func(ctx context.Context, nodes cluster.Nodes) error {
				added, err := nodes.Add(ctx)
				if err == nil {
					fmt.Fprintf(c.stdout, "node %s of cluster %s is on\n", added.Name, args[0])
				}
				return err
			})
		},
	}
	written(cmd, "add a worker", nodeAddHelp)
	return cmd
}

const nodeRemoveHelp = `Remove a node from a cluster, its disks included, as when a machine is lost.

Usage:
  squall cluster node remove CLUSTER NODE

It is switched off at once. Its Node object stays until somebody deletes it. The
first control-plane node, from which load is sent, cannot be removed.

Try it:
  sudo squall cluster node remove demo worker-2
  sudo squall kubectl demo -- delete node worker-2
`

func (c *cli) nodeRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "remove CLUSTER NODE",
		Args:              arguments(2, 2, "cluster node remove CLUSTER NODE"),
		ValidArgsFunction: c.completeNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onNodes(cmd.Context(), args[0], func(ctx context.Context, nodes cluster.Nodes) error {
				if err := nodes.Remove(ctx, args[1]); err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "node %s of cluster %s is gone\n", args[1], args[0])
				return nil
			})
		},
	}
	written(cmd, "remove a node", nodeRemoveHelp)
	return cmd
}

const nodeLogsHelp = `Print the log of a program on a node, whether the node is on or off.

Usage:
  squall cluster node logs CLUSTER NODE PROGRAM

  PROGRAM   kubelet, kube-proxy or containerd; on a control plane also etcd,
            kube-apiserver, kube-controller-manager or kube-scheduler

Try it:
  sudo squall cluster node logs demo worker-1 kubelet
`

func (c *cli) nodeLogs() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "logs CLUSTER NODE PROGRAM",
		Args:              arguments(3, 3, "cluster node logs CLUSTER NODE PROGRAM"),
		ValidArgsFunction: c.completeNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onNodes(cmd.Context(), args[0], func(ctx context.Context, nodes cluster.Nodes) error {
				err := nodes.Logs(ctx, args[1], args[2], c.stdout)
				if errors.Is(err, fs.ErrNotExist) {
					return misuse(err)
				}
				return err
			})
		},
	}
	written(cmd, "print a program's log", nodeLogsHelp)
	return cmd
}

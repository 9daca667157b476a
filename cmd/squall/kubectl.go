package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

const kubectlHelp = `Run the kubectl that was built for clusters, against one of them. Needs root for embedded ones.

Usage:
  squall kubectl NAME -- ARGUMENTS...

  NAME        a cluster that is up
  ARGUMENTS   kubectl's own

The exit code is kubectl's.

Try it:
  sudo squall kubectl demo -- get pods -A
`

func (c *cli) kubectl() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "kubectl NAME -- ARGUMENTS...",
		Args:              arguments(1, -1, "kubectl NAME -- ARGUMENTS..."),
		ValidArgsFunction: c.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			config, err := found.Kubeconfig()
			if err != nil {
				return err
			}
			return c.runKubectl(cmd, config, args[1:])
		},
	}
	written(cmd, "run kubectl against a cluster", kubectlHelp)
	return cmd
}

// runKubectl runs kubectl with a kubeconfig of its own, which is removed
// afterwards.
func (c *cli) runKubectl(cmd *cobra.Command, config []byte, args []string) error {
	cache, err := c.cache()
	if err != nil {
		return err
	}
	builder, _ := builders(cache, c.say)
	tree, err := builder.Build(cmd.Context())
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "squall-kubectl-") // made with mode 0700
	if err != nil {
		return fmt.Errorf("make a folder for the kubeconfig: %w", err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	child := exec.CommandContext(cmd.Context(), tree.Path("kubectl"), args...)
	child.Env = append(os.Environ(), "KUBECONFIG="+file)
	child.Stdin, child.Stdout, child.Stderr = c.stdin, c.stdout, c.stderr
	err = child.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return outcome(exit.ExitCode())
	}
	return err
}

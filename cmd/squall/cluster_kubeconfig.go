package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
)

const clusterKubeconfigHelp = `Print an administrator's kubeconfig of a cluster. Never touches your own.

Usage:
  squall cluster kubeconfig NAME [FLAGS]

Flags:
  --write FILE   write it to FILE, which only you may read, instead of printing it;
                 refused when FILE exists and is not a kubeconfig of Squall's

Try it:
  sudo squall cluster kubeconfig demo --write demo.kubeconfig
  export KUBECONFIG=$PWD/demo.kubeconfig
`

func (c *cli) clusterKubeconfig() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:               "kubeconfig NAME",
		Args:              arguments(1, 1, "cluster kubeconfig NAME"),
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
			if file == "" {
				_, err = c.stdout.Write(config)
				return err
			}
			return c.writeKubeconfig(file, config)
		},
	}
	written(cmd, "print a cluster's kubeconfig", clusterKubeconfigHelp)
	cmd.Flags().StringVar(&file, "write", "", "file to write it to")
	return cmd
}

// writeKubeconfig puts a kubeconfig into a file that only its owner may read.
func (c *cli) writeKubeconfig(file string, config []byte) error {
	if err := refuseForeign(file); err != nil {
		return err
	}
	// Written beside it and renamed, so that it is never readable for others
	// and a link in its place is not followed.
	temp, err := os.CreateTemp(filepath.Dir(file), ".kubeconfig-*") // made with mode 0600
	if err != nil {
		return misuse(fmt.Errorf("write the kubeconfig: %w", err))
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	_, err = temp.Write(config)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write the kubeconfig %s: %w", file, err)
	}
	c.giveBack(file)
	c.say("wrote " + file)
	return nil
}

// refuseForeign refuses to write over anything but a kubeconfig of Squall's.
func refuseForeign(file string) error {
	const hint = "name a file that does not exist"
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return misuse(fmt.Errorf("write the kubeconfig: %w", err), hint)
	}
	foreign := misuse(fmt.Errorf("%s exists and is not a kubeconfig that Squall wrote", file), hint)
	old, err := clientcmd.Load(text)
	if err != nil || len(old.Contexts) == 0 {
		return foreign
	}
	for name := range old.Contexts {
		if !strings.HasPrefix(name, "squall-") {
			return foreign
		}
	}
	return nil
}

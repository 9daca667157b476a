package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/cluster/embedded"

	"github.com/spf13/cobra"
)

const cleanHelp = `Remove what killed runs and clusters left: control groups, state folders. Needs root.

Usage:
  squall clean [FLAGS]

Flags:
  --remove-cache   remove the cache too: components, images, prepared state

Clusters that are up are not touched, nor is anything that is not Squall's. Every
verb that makes or lists clusters does the same first.

Try it:
  sudo squall clean
`

func (c *cli) clean() *cobra.Command {
	var caches bool
	cmd := &cobra.Command{
		Use:               "clean",
		Args:              arguments(0, 0, "clean"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.sweep(cmd, caches) },
	}
	written(cmd, "remove what killed runs left", cleanHelp)
	cmd.Flags().BoolVar(&caches, "remove-cache", false, "remove the cache too")
	return cmd
}

func (c *cli) sweep(cmd *cobra.Command, caches bool) error {
	if err := needRoot(); err != nil {
		return err
	}
	p, cache, err := c.provider()
	if err != nil {
		return err
	}
	found, err := p.Leftovers()
	if err != nil {
		return err
	}
	if err := p.Sweep(cmd.Context()); err != nil {
		return err
	}
	for _, what := range found {
		fmt.Fprintln(c.stdout, "removed "+what)
	}
	if len(found) == 0 {
		fmt.Fprintln(c.stdout, "nothing was left to remove")
	}
	if !caches {
		return nil
	}
	return c.removeCache(cmd, p, cache)
}

// removeCache removes what Squall put into the cache folder, and the folder when
// nothing else is in it.
func (c *cli) removeCache(cmd *cobra.Command, p *embedded.Provider, cache string) error {
	infos, err := p.List(cmd.Context())
	if err != nil {
		return err
	}
	if len(infos) > 0 {
		return misuse(fmt.Errorf("the cluster %q is up and uses the cache", infos[0].Name),
			fmt.Sprintf("%q removes it", "squall cluster down "+infos[0].Name))
	}
	for _, part := range []string{componentsFolder, imagesFolder, preparedFolder, storesFolder} {
		folder := filepath.Join(cache, part)
		if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		size := folderSize(folder)
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove the cache: %w", err)
		}
		fmt.Fprintf(c.stdout, "removed %s (%s)\n", folder, gigabytes(size))
	}
	_ = os.Remove(cache) // fails when something else is in it, which stays
	return nil
}

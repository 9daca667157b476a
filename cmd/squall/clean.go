package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/cluster/kind/engine"
	"squall/cluster/kind/nodeimage"

	"github.com/spf13/cobra"
)

const cleanHelp = `Remove all that killed runs and clusters left: processes, control groups, mounts, state
folders, half-made files in the cache, temporary files; of kind clusters their containers and networks.
Only root can clean up after embedded clusters.

Usage:
  squall clean [FLAGS]

Flags:
  --dry-run        say what would be removed, and remove nothing
  --remove-cache   remove the cache too: components, images, prepared state, and
                   the node images in the Docker engine

Clusters that are up are not touched, nor is anything that is not Squall's. Every
verb that makes or lists clusters removes what dead clusters left first.

Try it:
  sudo squall clean --dry-run
`

// cleaning is what to clean.
type cleaning struct{ dry, cache bool }

func (c *cli) clean() *cobra.Command {
	var what cleaning
	cmd := &cobra.Command{
		Use:               "clean",
		Args:              arguments(0, 0, "clean"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.sweep(cmd, what) },
	}
	written(cmd, "remove what killed runs left", cleanHelp)
	cmd.Flags().BoolVar(&what.dry, "dry-run", false, "remove nothing")
	cmd.Flags().BoolVar(&what.cache, "remove-cache", false, "remove the cache too")
	return cmd
}

func (c *cli) sweep(cmd *cobra.Command, what cleaning) error {
	cache, err := c.cache()
	if err != nil {
		return err
	}
	all, err := c.usable(cmd.Context())
	if err != nil {
		return err
	}
	nothing := true
	for _, p := range all {
		verb, find := "removed ", p.Clean
		if what.dry {
			verb, find = "would remove ", p.Leftovers
		}
		found, err := find(cmd.Context())
		for _, one := range found {
			fmt.Fprintln(c.stdout, verb+one)
		}
		if err != nil {
			return err
		}
		nothing = nothing && len(found) == 0
	}
	if nothing {
		fmt.Fprintln(c.stdout, "nothing was left to remove")
	}
	if !what.cache {
		return nil
	}
	return c.removeCache(cmd, all, cache, what.dry)
}

// removeCache removes what Squall put into the cache folder, and the folder when
// nothing else is in it.
func (c *cli) removeCache(cmd *cobra.Command, all []provider, cache string, dry bool) error {
	var living []string
	for _, p := range all {
		some, err := p.Living(cmd.Context())
		if err != nil {
			return err
		}
		living = append(living, some...)
	}
	if len(living) > 0 {
		return misuse(fmt.Errorf("the cluster %q is up or coming up and uses the cache", living[0]),
			fmt.Sprintf("%q removes it once it is up", "squall cluster down "+living[0]))
	}
	for _, part := range []string{componentsFolder, imagesFolder, preparedFolder, storesFolder, volumesFolder, kindFolder} {
		folder := filepath.Join(cache, part)
		if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		size := folderSize(folder)
		if dry {
			fmt.Fprintf(c.stdout, "would remove %s (%s)\n", folder, gigabytes(size))
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove the cache: %w", err)
		}
		fmt.Fprintf(c.stdout, "removed %s (%s)\n", folder, gigabytes(size))
	}
	if err := c.removeNodeImages(cmd.Context(), dry); err != nil {
		return err
	}
	if dry {
		return nil
	}
	_ = os.Remove(cache) // fails when something else is in it, which stays
	return nil
}

// removeNodeImages removes what the cache has in the Docker engine.
func (c *cli) removeNodeImages(ctx context.Context, dry bool) error {
	if _, err := engine.Look(ctx); err != nil && !errors.Is(err, engine.ErrDisk) {
		return nil // there is none, or none of ours
	}
	refs, err := nodeimage.List(ctx)
	if err != nil {
		return fmt.Errorf("look for node images: %w", err)
	}
	verb := "removed"
	if dry {
		verb = "would remove"
	} else if err := nodeimage.Remove(ctx); err != nil {
		return fmt.Errorf("remove node images: %w", err)
	}
	for _, ref := range refs {
		fmt.Fprintf(c.stdout, "%s the node image %s\n", verb, ref)
	}
	return nil
}

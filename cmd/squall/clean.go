package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

const cleanHelp = `Remove all that killed runs and clusters left: processes, control groups, mounts, state
folders, half-made files in the cache, temporary files, containers, Docker networks.

Usage:
  squall clean [FLAGS]

Flags:
  --dry-run        say what would be removed, and remove nothing
  --remove-cache   remove the cache too: components, images, prepared state, node images
                   in Docker

Clusters that are up are not touched, nor is anything that is not Squall's. Every
verb that makes or lists clusters removes what dead clusters left first. What embedded
clusters left, and the cache, only root removes; without root the rest is removed, and
the exit code is 3.

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

// sweep cleans what this user may clean, and then says what he may not.
func (c *cli) sweep(cmd *cobra.Command, what cleaning) error {
	all, cache, err := c.sources()
	if err != nil {
		return err
	}
	open, closed := all.open(cmd.Context())
	if len(closed) > 0 && len(open) == len(open.idle()) {
		return unseen(nil, closed)
	}
	if err := c.cleanAll(cmd.Context(), open, what.dry); err != nil {
		return err
	}
	if len(closed) > 0 {
		problem := errors.New("what killed clusters of another provider left was not looked for")
		if what.cache {
			problem = errors.New("the cache stays: clusters that use it may be up")
		}
		return unseen(problem, closed)
	}
	if !what.cache {
		return nil
	}
	return c.removeCache(cmd.Context(), open, cache, what.dry)
}

// cleanAll removes what killed clusters left, or says what it would remove.
func (c *cli) cleanAll(ctx context.Context, open sources, dry bool) error {
	nothing := true
	var errs []error
	for _, s := range open {
		verb, find := "removed ", s.Clean
		if left, err := s.leaves(ctx); dry || !left || err != nil {
			verb, find = "would remove ", s.Leftovers
		}
		found, err := find(ctx)
		for _, one := range found {
			fmt.Fprintln(c.stdout, verb+one)
		}
		nothing, errs = nothing && len(found) == 0, append(errs, s.excuse(err))
	}
	err := errors.Join(errs...)
	if err == nil && nothing {
		fmt.Fprintln(c.stdout, "nothing was left to remove")
	}
	return err
}

// removeCache removes what Squall put into the cache folder, and the folder when
// nothing else is in it, and what of the cache is elsewhere.
func (c *cli) removeCache(ctx context.Context, open sources, cache string, dry bool) error {
	for _, s := range open {
		living, err := s.Living(ctx)
		if err != nil {
			return s.excuse(err)
		}
		if len(living) > 0 {
			return misuse(fmt.Errorf("the %s cluster %q is up or coming up and uses the cache", s.name, living[0]),
				fmt.Sprintf("%q removes it once it is up", "squall cluster down "+living[0]))
		}
	}
	if err := c.forget(ctx, open, dry); err != nil {
		return err
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
	if dry {
		return nil
	}
	_ = os.Remove(cache) // fails when something else is in it, which stays
	return nil
}

// forget removes what of the cache is not in its folder.
func (c *cli) forget(ctx context.Context, open sources, dry bool) error {
	for _, s := range open {
		if s.forget == nil || s.idle != nil {
			continue
		}
		found, err := s.forget(ctx, dry)
		if err != nil {
			return err
		}
		verb := "removed "
		if dry {
			verb = "would remove "
		}
		for _, one := range found {
			fmt.Fprintln(c.stdout, verb+one)
		}
	}
	return nil
}

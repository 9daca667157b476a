package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/cluster"
	"squall/cluster/clustertest/conformance"
)

// checkConformance refuses what cannot go well before anything is built: that takes
// minutes the first time. It leaves nothing behind.
func (c *cli) checkConformance(ctx context.Context, asked conformanceAsked) error {
	if asked.list && asked.images == "" {
		return nil
	}
	if err := asked.checkOutputs(); err != nil {
		return misuse(err, "folders for output must not exist yet; what they or files are made in must, and be yours to write")
	}
	switch {
	case asked.images != "":
		return nil
	case asked.kubeconfig != "":
		if _, err := conformance.Observe(ctx, asked.kubeconfig); err != nil {
			return misuse(err)
		}
		return nil
	}
	return c.checkNamed(ctx, asked)
}

// checkNamed finds out whether a cluster of that name is up or could be made.
func (c *cli) checkNamed(ctx context.Context, asked conformanceAsked) error {
	if err := cluster.CheckName(asked.name); err != nil {
		return misuse(err)
	}
	_, err := c.find(ctx, asked.name)
	if errors.Is(err, cluster.ErrNotFound) {
		_, _, err = c.maker(ctx, asked.on)
	}
	return err
}

// checkOutputs finds out whether results, logs and images can be written.
func (a conformanceAsked) checkOutputs() error {
	var errs []error
	if a.results != "" {
		if err := fileIsWritable(a.results); err != nil {
			errs = append(errs, fmt.Errorf("--keep-results %s cannot be written: %w", a.results, err))
		}
	}
	if a.logs != "" {
		if err := folderCanBeMade(a.logs); err != nil {
			errs = append(errs, fmt.Errorf("--logs %s cannot be made: %w", a.logs, err))
		}
	}
	if a.images != "" {
		if err := folderCanBeMade(a.images); err != nil {
			errs = append(errs, fmt.Errorf("--write-images %s cannot be made: %w", a.images, err))
		}
	}
	return errors.Join(errs...)
}

// folderCanBeMade says why a folder cannot be made in the one above it.
func folderCanBeMade(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(folder); err == nil {
		return fs.ErrExist
	}
	return takesFiles(filepath.Dir(folder))
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/cluster/embedded"
)

// checkOutputs finds out before anything starts whether records and reports can
// be written. It leaves nothing behind.
func (r running) checkOutputs() error {
	var errs []error
	if r.runs != "" {
		errs = append(errs, r.asOutput("--runs", r.runs, folderTakesFiles(r.runs)))
	}
	if r.json != "" {
		errs = append(errs, r.asOutput("--json", r.json, fileIsWritable(r.json)))
	}
	if r.junit != "" {
		errs = append(errs, r.asOutput("--junit", r.junit, fileIsWritable(r.junit)))
	}
	return errors.Join(errs...)
}

// asOutput says which flag err is about. Where clusters need root anyone else is
// refused anyway, and what they may not write root may.
func (r running) asOutput(flag, path string, err error) error {
	if err == nil || errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 && chosen(r.on) == embedded.Name {
		return nil
	}
	return fmt.Errorf("%s %s cannot be written: %w", flag, path, err)
}

// fileIsWritable says why a file cannot be written, or made.
func fileIsWritable(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err == nil {
		return f.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return takesFiles(filepath.Dir(file))
	}
	return err
}

// folderTakesFiles says why nothing can be made in a folder, which itself may
// have to be made first, with those above it.
func folderTakesFiles(folder string) error {
	for {
		_, err := os.Lstat(folder)
		above := filepath.Dir(folder)
		if !errors.Is(err, fs.ErrNotExist) || above == folder {
			return takesFiles(folder)
		}
		folder = above
	}
}

// takesFiles says why no file can be made in a folder that is there.
func takesFiles(folder string) error {
	f, err := os.CreateTemp(folder, ".squall-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Control groups of version 1 do not let what is frozen be killed (Linux:
// admin-guide/cgroup-v1/freezer-subsystem.rst), and runc freezes a pod's group
// for the moment in which it sets its devices. A container of a node that is
// killed in that moment never ends, and the engine waits for it in vain. Its
// groups have to be thawed, from outside: nothing can be run in it any more.

// thawEvery is how long containers that are killed have to end, before their
// groups are thawed and again after that. An end takes half a second.
const thawEvery = 2 * time.Second

// ending runs what kills containers, and thaws them while it does not come back.
func (s state) ending(ctx context.Context, ids []string, kill func() error) error {
	over := make(chan struct{})
	thawed := make(chan error, 1)
	go func() {
		var err error
		for {
			select {
			case <-over:
				thawed <- err
				return
			case <-ctx.Done():
				thawed <- err
				return
			case <-time.After(thawEvery):
				err = s.thaw(ctx, ids)
			}
		}
	}()
	err := kill()
	close(over)
	late := <-thawed
	if err == nil {
		return nil
	}
	return errors.Join(err, late)
}

// thaw thaws the groups of containers, whichever machine they are on, and
// whatever this user may do there: a container sees them all.
func (s state) thaw(ctx context.Context, ids []string) error {
	if s.Image == "" {
		return nil // nothing was started from it
	}
	program, err := linuxProgram() // not the node's, which may be that of an earlier Squall
	if err != nil {
		return err
	}
	const entry = "/" + askName
	_, err = docker(ctx, "run", "--rm", "--network", "none", "--security-opt", "label=disable",
		"--label", labelCluster+"="+s.Info.Name, "--volume", groupsDir+":"+groupsDir,
		"--volume", program+":"+entry+":ro", "--entrypoint", entry, s.Image, "thaw", strings.Join(ids, ","))
	if err != nil {
		return fmt.Errorf("thawing what cannot end: %w", err)
	}
	return nil
}

// groupsDir is where control groups are.
const groupsDir = "/sys/fs/cgroup"

// thawGroups thaws what is frozen in containers, named by their IDs.
func thawGroups(ctx context.Context, args ...string) error {
	return thawUnder(ctx, filepath.Join(groupsDir, "freezer"), strings.Split(args[0], ","))
}

// thawUnder thaws the groups below a folder that are those of containers, the
// outer before the inner. A folder that is not there has none.
func thawUnder(ctx context.Context, root string, ids []string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it ended meanwhile
		}
		if err != nil || entry.IsDir() || entry.Name() != "freezer.state" {
			return err
		}
		ofOne := func(id string) bool { return slices.Contains(strings.Split(path, "/"), id) }
		if !slices.ContainsFunc(ids, ofOne) {
			return nil
		}
		if err := os.WriteFile(path, []byte("THAWED"), 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

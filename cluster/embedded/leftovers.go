//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"squall/cluster"

	"golang.org/x/sys/unix"
)

// mountLines returns the lines of this process's mountinfo.
func mountLines() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), nil
}

// plainPath is a path as it is, of one in a mountinfo: there a backslash and
// three octal digits stand for white space and backslashes (proc(5); the
// kernel's fs/proc_namespace.c, show_mountinfo).
func plainPath(escaped string) string {
	var plain []byte
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '\\' && i+3 < len(escaped) {
			if code, err := strconv.ParseUint(escaped[i+1:i+4], 8, 8); err == nil {
				plain = append(plain, byte(code))
				i += 3
				continue
			}
		}
		plain = append(plain, escaped[i])
	}
	return string(plain)
}

// mountsBelow lists what is mounted below a folder, or on it, deepest first.
func mountsBelow(folder string) ([]string, error) {
	lines, err := mountLines()
	if err != nil {
		return nil, err
	}
	var points []string
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := plainPath(fields[4]); strings.HasPrefix(point+"/", folder+"/") {
			points = append(points, point)
		}
	}
	slices.Reverse(points) // a mount comes after the one that it is in
	return points, nil
}

// removeFolder removes a folder of ours. What may be mounted there is unmounted
// first: the files in it belong to somebody else. Where that does not succeed the
// folder stays.
func removeFolder(folder string) error {
	points, err := mountsBelow(folder)
	if err != nil {
		return err
	}
	for _, point := range points {
		if err := unmount(point); err != nil {
			return err
		}
	}
	still, err := mountsBelow(folder)
	if err != nil {
		return err
	}
	if len(still) > 0 {
		return fmt.Errorf("%s stays: %q is still mounted in it; unmount that first", folder, still[0])
	}
	return os.RemoveAll(folder)
}

func unmount(point string) error {
	err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // it is no mount any more
	}
	return fmt.Errorf("unmounting %s: %w", point, err)
}

// strayMounts finds mounts in the folder for running clusters. There are none by
// design: clusters mount in namespaces of their own.
func (p *Provider) strayMounts() ([]leftover, error) {
	points, err := mountsBelow(p.run)
	if err != nil {
		return nil, err
	}
	var found []leftover
	for _, point := range points {
		if point == p.run {
			continue // an administrator's choice
		}
		rest, _ := strings.CutPrefix(point, filepath.Join(p.run, "clusters")+"/")
		name, _, _ := strings.Cut(rest, "/")
		if alive, err := p.alive(name); err != nil || alive {
			continue
		}
		found = append(found, leftover{
			what:   "the mount " + point,
			remove: func(context.Context) error { return unmount(point) },
		})
	}
	return found, nil
}

// halfPrepared finds prepared state that was being written by first starts whose
// cluster is dead.
func (p *Provider) halfPrepared() ([]leftover, error) {
	folders, err := filepath.Glob(filepath.Join(p.cache, "prepared", "*.*"+savedSuffix))
	if err != nil {
		return nil, err
	}
	var found []leftover
	for _, folder := range folders {
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(folder), savedSuffix), ".")
		if alive, err := p.alive(name); err != nil || alive {
			continue
		}
		found = append(found, leftover{
			what: "half-written prepared state " + folder,
			remove: func(ctx context.Context) error {
				unlock, err := lockRun(ctx, p.run)
				if err != nil {
					return err
				}
				defer unlock()
				if alive, err := p.alive(name); err != nil || alive {
					return err
				}
				return os.RemoveAll(folder)
			},
		})
	}
	return found, nil
}

// scratch finds what killed makers of components, images and image stores left
// in the cache. Each works under a lock.
func (p *Provider) scratch() ([]leftover, error) {
	var found []leftover
	for _, place := range []struct{ lock, pattern string }{
		{"stores/lock", "stores/making"},
		{"images/lock", "images/scratch/*"},
		{"components/lock", "components/scratch/*"},
	} {
		lock := filepath.Join(p.cache, place.lock)
		left, err := filepath.Glob(filepath.Join(p.cache, place.pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range left {
			if held, err := lockHeld(lock); err != nil || held {
				continue
			}
			found = append(found, leftover{
				what:   "half-made " + path,
				remove: func(context.Context) error { return removeUnder(lock, path) },
			})
		}
	}
	return found, nil
}

// benchPattern is the form of the caches that "squall bench cluster" starts from
// as if for the first time.
const benchPattern = "squall-bench-*"

// benchName tells them from what a user keeps in a folder of that kind of name.
var benchName = regexp.MustCompile(`^squall-bench-[0-9]+$`)

// benchCaches finds the caches of killed benchmarks: those that are there while
// no benchmark runs.
func (p *Provider) benchCaches() ([]leftover, error) {
	caches, err := filepath.Glob(filepath.Join(p.cache, benchPattern))
	if err != nil || len(caches) == 0 {
		return nil, err
	}
	if running, err := verbRuns("bench"); err != nil || running {
		return nil, err
	}
	var found []leftover
	for _, cache := range caches {
		if !benchName.MatchString(filepath.Base(cache)) {
			continue
		}
		found = append(found, leftover{
			what:   "the cache of a killed benchmark " + cache,
			remove: func(context.Context) error { return os.RemoveAll(cache) },
		})
	}
	return found, nil
}

// removeUnder removes a path while it holds a lock. What has a holder now is in
// use again and stays.
func removeUnder(lock, path string) error {
	held, err := takeLock(lock)
	if errors.Is(err, cluster.ErrExists) {
		return nil
	}
	if err != nil {
		return err
	}
	defer held.Close()
	return os.RemoveAll(path)
}

// Temporary files have names of these forms; the word is what made them. A file
// is only taken for a dead one's when no process has it open, works in it or was
// told of it, no command of that word runs, and it is older than the moment
// between making a file and using it. The last digits are [os.MkdirTemp]'s; runs
// of conformance tests put their process id before them.
var temporaryName = regexp.MustCompile(`^squall-(parts|unpack|kubectl|conformance|bare)-[0-9]+(-[0-9]+)?$`)

// temporaryVerb is the verb of the command that makes such files, empty for
// those that have their maker's hand on them all the time.
func temporaryVerb(name string) string {
	switch word := temporaryName.FindStringSubmatch(name)[1]; word {
	case "kubectl", "conformance":
		return word
	case "bare":
		return "bench"
	}
	return ""
}

const youngest = time.Minute

// temporary finds temporary files whose makers are dead.
func (p *Provider) temporary() ([]leftover, error) {
	var old []string
	for _, dir := range slices.Compact([]string{filepath.Clean(os.TempDir()), "/tmp"}) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("looking for temporary files: %w", err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && temporaryName.MatchString(e.Name()) && time.Since(info.ModTime()) > youngest {
				old = append(old, filepath.Join(dir, e.Name()))
			}
		}
	}
	if len(old) == 0 {
		return nil, nil
	}
	used, err := mentioned(old)
	if err != nil {
		return nil, err
	}
	var found []leftover
	for _, path := range old {
		running, err := verbRuns(temporaryVerb(filepath.Base(path)))
		if err != nil {
			return nil, err
		}
		if used[path] || running {
			continue
		}
		found = append(found, leftover{
			what:   "the temporary " + path,
			remove: func(context.Context) error { return os.RemoveAll(path) },
		})
	}
	return found, nil
}

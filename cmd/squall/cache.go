package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"squall/cluster/components"
	"squall/workloads/image"
)

// cacheEnv names the environment variable that stands for --cache.
const cacheEnv = "SQUALL_CACHE"

// The parts of the cache folder, as providers look for them.
const (
	componentsFolder = "components"
	imagesFolder     = "images"
	preparedFolder   = "prepared"
	storesFolder     = "stores"
	volumesFolder    = "volumes"
	kindFolder       = "kind"
)

// cache is the cache folder: --cache, else $SQUALL_CACHE, else squall in the
// user's cache folder. Under sudo that is root's, so the Makefile passes the
// caller's.
func (c *cli) cache() (string, error) {
	dir := c.cacheFlag
	if dir == "" {
		dir = os.Getenv(cacheEnv)
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", misuse(fmt.Errorf("find your cache folder: %w", err), "name a folder with --cache DIR or "+cacheEnv)
		}
		dir = filepath.Join(user, "squall")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return "", misuse(fmt.Errorf("the cache folder %s is a file", dir), "name a folder with --cache DIR or "+cacheEnv)
	}
	c.log.Debug("cache", "folder", dir)
	return dir, nil
}

// builders build into the cache folder and tell progress.
func builders(cache string, progress func(string)) (components.Builder, image.Builder) {
	return components.Builder{Dir: filepath.Join(cache, componentsFolder), Progress: progress},
		image.Builder{Dir: filepath.Join(cache, imagesFolder), Progress: progress}
}

// say writes a line of progress.
func (c *cli) say(line string) { fmt.Fprintln(c.stderr, line) }

// giveBack makes path, and all in it, belong to the user who called sudo. It
// does nothing when nobody did. Path must be something that this command made:
// what was there before keeps its owner.
func (c *cli) giveBack(path string) {
	uid, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	if err != nil || os.Geteuid() != 0 {
		return
	}
	gid, err := strconv.Atoi(os.Getenv("SUDO_GID"))
	if err != nil {
		return
	}
	if err := giveTo(path, uid, gid); err != nil {
		c.log.Debug("could not give files to the caller of sudo", "path", path, "error", err)
	}
}

// giveTo makes path, and all in it, belong to a user. It gives links in it themselves,
// never where they lead, and refuses a link in the place of path.
func giveTo(path string, uid, gid int) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), filepath.Base(path), func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(name, uid, gid)
	})
}

package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"squall/workloads/image/apt"
)

// lockFile is beside the archive of an image of Debian packages.
const lockFile = "lock.json"

// PackagesLabel is the label of an image that lists its packages, each on a
// line: "name=version sha256:digest".
const PackagesLabel = "dev.squall.debian.packages"

// Lock is the set of Debian packages that an image was made of. It is kept as
// JSON; two images of one lock with the same files and settings have the same
// digest.
type Lock struct {
	Suite        string    `json:"suite"`
	Architecture string    `json:"architecture"`
	Packages     []Package `json:"packages"`
}

// Package is one Debian package of a [Lock].
type Package = apt.Package

// ReadLock returns what an image of [Builder.FromDebian] was made of. Saved as
// JSON and given as Debian.Lock it makes the same image again.
func (i Image) ReadLock() (Lock, error) {
	lock, err := readLock(filepath.Join(filepath.Dir(i.Archive), lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, fmt.Errorf("image %s has no lock: it was not made of Debian packages", i.Ref)
	}
	return lock, err
}

func readLock(path string) (Lock, error) {
	var lock Lock
	data, err := os.ReadFile(path)
	if err != nil {
		return Lock{}, err
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return Lock{}, fmt.Errorf("read the lock %s: %w", path, err)
	}
	return lock, nil
}

func (l Lock) write(path string) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// label is the lock as a label.
func (l Lock) label() string {
	var lines []string
	for _, p := range l.Packages {
		lines = append(lines, p.String()+" sha256:"+p.SHA256)
	}
	return strings.Join(lines, "\n")
}

// validate refuses a lock that cannot be used on this machine.
func (l Lock) validate() error {
	arch, err := apt.Architecture()
	if err != nil {
		return err
	}
	if l.Architecture != arch {
		return fmt.Errorf("the lock is for %q; this machine is %s: make a lock of its own here", l.Architecture, arch)
	}
	if len(l.Packages) == 0 {
		return errors.New("the lock names no package")
	}
	for _, p := range l.Packages {
		if !packageForm.MatchString(p.String()) || !sha256Form.MatchString(p.SHA256) {
			return fmt.Errorf("the lock's package %q with digest %q is not of the form that Squall writes", p, p.SHA256)
		}
	}
	return nil
}

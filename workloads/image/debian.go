package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"squall/workloads/image/cache"
)

// Debian is an image made from Debian packages and what they depend on, for
// this machine's architecture.
//
// The packages' maintainer scripts are not run. What a program needs instead,
// a configuration, a folder of its own or a user, is said with Files, Links and
// Users.
type Debian struct {
	// Ref is the image's full reference as pods name it.
	Ref string
	// Suite is Debian's release by its code name; default [DefaultSuite].
	Suite string
	// Packages are "nginx", or "nginx=1.22.1-9+deb12u3" to pin a version. What
	// they depend on comes along; what they merely recommend does not, nor do
	// packages that are needed by maintainer scripts alone, nor a shell.
	Packages []string
	// Without are packages to leave out although others depend on them.
	Without []string
	// Lock, when not nil, says exactly which packages of which versions to use,
	// as an earlier image's [Image.ReadLock] gave it. Suite, Packages and Without
	// must then be empty.
	Lock *Lock
	// Files are put over what the packages hold, in order.
	Files []File
	// Links are symbolic links, by path, put over what the packages hold.
	Links map[string]string
	// Users are added to /etc/passwd and /etc/group, which hold Debian's own.
	Users []Account
	// Entrypoint and Args are what runs. Env is the default environment, each
	// "NAME=value"; PATH is Debian's unless given.
	Entrypoint, Args, Env []string
	// User is a name in /etc/passwd, or "uid" or "uid:gid"; default root.
	User string
	// WorkDir is where the program starts; default "/".
	WorkDir string
	// StopSignal ends the program, for example "SIGQUIT"; default SIGTERM.
	StopSignal string
}

// File is a file or folder that is put into an image.
type File struct {
	// Path is absolute, in the image.
	Path string
	// Mode is the permission bits, with setuid, setgid and sticky; default 0644
	// (0755 for a folder), or that of Source. With [fs.ModeDir] it is a folder.
	Mode fs.FileMode
	// Content is what the file holds.
	Content []byte
	// Source is a file on this machine that is copied, instead of Content.
	Source string
	// Owner is a name in /etc/passwd, or "uid" or "uid:gid"; default root.
	Owner string
}

// Account is a user of an image, with a group of the same name and number.
type Account struct {
	Name string
	ID   int
	// Home is the home folder, which is not made; default "/".
	Home string
}

// DefaultSuite is Debian 12.
const DefaultSuite = "bookworm"

// defaultPath is where a container's programs are looked for.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// The forms of names; see Debian Policy 5.6.1 and 5.6.12.
var (
	packageForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$`)
	suiteForm   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	accountForm = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	signalForm  = regexp.MustCompile(`^(SIG[A-Z0-9+-]+|[0-9]{1,2})?$`)
	sha256Form  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// FromDebian makes an image from Debian packages, or finds it in the cache.
//
// Which versions a list of packages means is found out once and kept until
// [Builder.RefreshDebian] or until the cache is removed. Errors wrap
// [apt.ErrNoApt], [apt.ErrNoSource], [apt.ErrNoPackage], [apt.ErrNoVersion] or
// [apt.ErrUnreachable] where one fits.
func (b Builder) FromDebian(ctx context.Context, d Debian) (Image, error) {
	if d.Suite == "" && d.Lock == nil {
		d.Suite = DefaultSuite
	}
	if err := d.validate(); err != nil {
		return Image{}, fmt.Errorf("image %s: %w", d.Ref, err)
	}
	store, err := b.store()
	if err != nil {
		return Image{}, err
	}
	debs, lock, err := b.packages(ctx, store, d)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", d.Ref, err)
	}
	key, err := d.key(lock)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", d.Ref, err)
	}
	entry, err := store.Make(ctx, key, func(ctx context.Context, out, scratch string) error {
		b.say("packing image %s from %d Debian packages", d.Ref, len(lock.Packages))
		return d.write(ctx, debs, lock, folders{out, scratch})
	})
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", d.Ref, err)
	}
	return sealed(entry, d.Ref)
}

// RefreshDebian forgets which versions were chosen for lists of packages, so
// that the next FromDebian asks the mirrors again. Images and locks stay.
func (b Builder) RefreshDebian(ctx context.Context) error {
	store, err := b.store()
	if err != nil {
		return err
	}
	return store.Remove(ctx, func(key string) bool {
		return strings.HasPrefix(key, listsPrefix) || strings.HasPrefix(key, chosenPrefix)
	})
}

// folders are where an entry's files go, and where work in progress is.
type folders struct{ out, scratch string }

// key is the cache key of the image. A file of this machine is taken for
// unchanged while path, size and modification time are.
func (d Debian) key(lock Lock) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%q %q\n%q\n", packFormat, "debian 1", lock.Architecture, lock.label())
	for _, f := range d.Files {
		fmt.Fprintf(sum, "%q %o %q %x\n", f.Path, f.Mode, f.Owner, sha256.Sum256(f.Content))
		if f.Source == "" {
			continue
		}
		source, err := filepath.Abs(f.Source)
		if err != nil {
			return "", err
		}
		key, err := fileKey(source)
		if err != nil {
			return "", fmt.Errorf("the file for %s: %w", f.Path, err)
		}
		fmt.Fprintln(sum, key)
	}
	for _, p := range sortedKeys(d.Links) {
		fmt.Fprintf(sum, "%q -> %q\n", p, d.Links[p])
	}
	fmt.Fprintf(sum, "%q %q %q %q %q %q %q %q\n", d.Ref, d.Entrypoint, d.Args, d.Env, d.User, d.WorkDir, d.StopSignal, fmt.Sprint(d.Users))
	return "image-debian-" + hex.EncodeToString(sum.Sum(nil))[:24], nil
}

// validate reports all that is wrong.
func (d Debian) validate() error {
	check := &complaints{}
	_, err := parseRef(d.Ref)
	check.add(err)
	check.when(len(d.Packages) == 0 && d.Lock == nil, "it names no package")
	if d.Lock != nil {
		check.when(len(d.Packages)+len(d.Without) > 0 || d.Suite != "", "Suite, Packages and Without have no place beside a Lock")
		check.add(d.Lock.validate())
	} else {
		check.when(!suiteForm.MatchString(d.Suite), "suite %q is no code name like %q", d.Suite, DefaultSuite)
	}
	for _, p := range d.Packages {
		check.when(!packageForm.MatchString(p), "package %q is neither \"name\" nor \"name=version\"", p)
	}
	for _, p := range d.Without {
		check.when(!packageForm.MatchString(p) || strings.Contains(p, "="), "package %q to leave out is no name", p)
	}
	for _, u := range d.Users {
		check.when(!accountForm.MatchString(u.Name) || u.ID < 1 || strings.ContainsAny(u.Home, ":\n"), "user %+v needs a name in small letters and a number above 0", u)
	}
	for _, f := range d.Files {
		check.when(!path.IsAbs(f.Path), "file %q needs an absolute path", f.Path)
		check.when(f.Source != "" && f.Content != nil, "file %s has both Content and Source", f.Path)
		check.when(f.Mode.IsDir() && (f.Source != "" || f.Content != nil), "folder %s can have neither Content nor Source", f.Path)
		check.when(f.Mode.Type()&^fs.ModeDir != 0, "file %s is of mode %v; only files and folders can be put", f.Path, f.Mode)
	}
	for p, target := range d.Links {
		check.when(!path.IsAbs(p) || target == "", "link %q to %q needs an absolute path and a target", p, target)
	}
	check.add(validateEnv(d.Env))
	check.when(!signalForm.MatchString(d.StopSignal), "stop signal %q is not of the form SIGTERM", d.StopSignal)
	check.when(d.WorkDir != "" && !path.IsAbs(d.WorkDir), "working directory %q is not absolute", d.WorkDir)
	return check.err()
}

// lockOf reads the lock of an entry of fetched packages.
func lockOf(entry cache.Entry) (Lock, error) { return readLock(entry.Path(lockFile)) }

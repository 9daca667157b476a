package rootfs

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"runtime"
	"strings"
	"time"
)

// unpackTime is how long one package may take to unpack.
const unpackTime = 5 * time.Minute

// AddDeb adds a package's files. Documentation, manuals and translations are
// left out, copyright notices are not. The package is unpacked by this
// machine's dpkg-deb: apt, which fetched it, is never without.
func (t *Tree) AddDeb(ctx context.Context, name, file string) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, unpackTime, fmt.Errorf("no end after %v", unpackTime))
	defer cancel()
	// The kernel ties a child's parent-death signal to the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
	cmd.Stderr = &said
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpack package %s: %w", name, cmp.Or(context.Cause(ctx), err))
	}
	err = t.addTar(name, out)
	if err == nil {
		_, err = io.Copy(io.Discard, out) // padding after the tar's end
	}
	stopped := context.Cause(ctx)
	if err != nil {
		cancel() // dpkg-deb would wait for a reader
	}
	ended := cmd.Wait()
	if err == nil {
		stopped = context.Cause(ctx)
	}
	switch {
	case stopped != nil: // whatever came of it
		err = stopped
	case err == nil && ended != nil:
		err = fmt.Errorf("dpkg-deb: %w: %s", ended, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return fmt.Errorf("unpack package %s: %w", name, err)
	}
	return nil
}

// addTar adds the entries of a package's tar file.
func (t *Tree) addTar(from string, r io.Reader) error {
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := clean(h.Name)
		if err != nil {
			return err
		}
		if name == "" || dropped(name) {
			continue
		}
		if err := t.addEntry(from, name, h, in); err != nil {
			return err
		}
	}
}

func (t *Tree) addEntry(from, name string, h *tar.Header, content io.Reader) error {
	name, err := t.follow(name)
	if err != nil {
		return err
	}
	n := &node{from: from, header: tar.Header{
		Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Mode: h.Mode & 0o7777, Uid: h.Uid, Gid: h.Gid,
		Devmajor: h.Devmajor, Devminor: h.Devminor,
	}}
	switch h.Typeflag {
	case tar.TypeReg:
		if n.offset, n.header.Size, err = t.keep(content); err != nil {
			return err
		}
	case tar.TypeLink:
		if err := t.linkHard(n, h.Linkname); err != nil {
			return err
		}
	case tar.TypeDir, tar.TypeSymlink, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
	default:
		return fmt.Errorf("/%s is of an unknown kind, %q", name, h.Typeflag)
	}
	if err := t.mayReplace(n); err != nil || t.nodes[name] != nil && n.header.Typeflag == tar.TypeDir {
		return err // a folder of several packages, or one that is a link here, stays as it is
	}
	t.nodes[name] = n
	t.parents(name)
	return nil
}

// linkHard makes n the same file as an earlier one.
func (t *Tree) linkHard(n *node, target string) error {
	target, err := clean(target)
	if err == nil {
		target, err = t.follow(target)
	}
	if err != nil {
		return err
	}
	first, ok := t.nodes[target]
	if !ok || first.header.Typeflag != tar.TypeReg {
		return fmt.Errorf("/%s is a link to /%s, which is no file", n.header.Name, target)
	}
	name := n.header.Name
	n.header, n.offset = first.header, first.offset
	n.header.Name = name
	if first.inode == 0 {
		t.inodes++
		first.inode = t.inodes
	}
	n.inode = first.inode
	return nil
}

// mayReplace refuses a path that another package has as well, unless both mean
// a folder or have the same content.
func (t *Tree) mayReplace(n *node) error {
	old, ok := t.nodes[n.header.Name]
	if !ok || old.from == "" || old.from == n.from || n.header.Typeflag == tar.TypeDir {
		return nil
	}
	if old.header.Typeflag == n.header.Typeflag && old.header.Linkname == n.header.Linkname && t.same(old, n) {
		return nil
	}
	return &ConflictError{Path: "/" + n.header.Name, One: old.from, Other: n.from}
}

func (t *Tree) same(a, b *node) bool {
	if a.header.Size != b.header.Size {
		return false
	}
	one, other := make([]byte, a.header.Size), make([]byte, a.header.Size)
	if a.header.Size > 0 {
		if _, err := t.content.ReadAt(one, a.offset); err != nil {
			return false
		}
		if _, err := t.content.ReadAt(other, b.offset); err != nil {
			return false
		}
	}
	return bytes.Equal(one, other)
}

// ConflictError says that two packages hold one path. Dpkg would settle it by
// what the packages' control files and scripts say.
type ConflictError struct{ Path, One, Other string }

// Error names the path and the packages.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("packages %s and %s both hold %s; leave one out with Without", e.One, e.Other, e.Path)
}

// dropped tells whether a path is left out of images.
func dropped(name string) bool {
	if strings.HasPrefix(name, "usr/share/doc/") {
		// Licences want their notices to travel with the programs.
		return path.Base(name) != "copyright"
	}
	for _, dir := range []string{"usr/share/doc-base", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian",
		"usr/share/bug", "usr/share/help", "usr/share/gtk-doc", "usr/share/linda", "usr/share/bash-completion"} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

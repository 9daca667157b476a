// Package rootfs puts the files of Debian packages, and others, together into
// the root file system of an image, and writes it as one tar file.
//
// The tar file depends on nothing but what was put in: entries are sorted, have
// no times and no names of users. Folders are merged as Debian's are: /bin,
// /sbin and /lib are links into /usr.
//
// Packages' maintainer scripts are not run. It knows nothing of images or
// caches, and does not decide which packages there are; see
// [squall/workloads/image/apt].
package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Tree is a root file system in the making. The content of files is kept in one
// file in the scratch folder.
type Tree struct {
	nodes   map[string]*node
	content *os.File
	size    int64
	inodes  int // how many files have hard links
}

// node is a file, folder, link or device.
type node struct {
	header tar.Header
	// offset is where a file's content begins; hard links share it.
	offset int64
	// inode is the same number for hard links to one file; 0 for a file that has
	// none.
	inode int
	// from is the package; empty for what the image itself says.
	from string
}

// New makes a tree with the folders and links that every Debian has. Close it.
func New(scratch, architecture string) (*Tree, error) {
	content, err := os.CreateTemp(scratch, "content-")
	if err != nil {
		return nil, err
	}
	t := &Tree{nodes: map[string]*node{}, content: content}
	merged := []string{"bin", "lib", "sbin"}
	if architecture == "amd64" {
		merged = append(merged, "lib64")
	}
	for _, name := range merged {
		t.nodes["usr/"+name] = folder("usr/"+name, 0o755)
		t.nodes[name] = link(name, "usr/"+name)
	}
	for _, name := range []string{"dev", "etc", "home", "proc", "root", "run", "sys", "usr", "usr/local", "usr/local/bin",
		"usr/share", "var", "var/cache", "var/lib", "var/log", "var/spool"} {
		t.nodes[name] = folder(name, 0o755)
	}
	t.nodes["root"].header.Mode = 0o700
	for _, name := range []string{"tmp", "var/tmp"} {
		t.nodes[name] = folder(name, 0o1777)
	}
	t.nodes["var/run"] = link("var/run", "/run")
	t.nodes["run/lock"] = folder("run/lock", 0o1777)
	t.nodes["var/lock"] = link("var/lock", "/run/lock")
	return t, nil
}

// Close removes what the tree kept in the scratch folder.
func (t *Tree) Close() error {
	return errors.Join(t.content.Close(), os.Remove(t.content.Name()))
}

func folder(name string, mode int64) *node {
	return &node{header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}}
}

func link(name, target string) *node {
	return &node{header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

// keep stores content and returns where it begins.
func (t *Tree) keep(r io.Reader) (offset, size int64, err error) {
	offset = t.size
	size, err = io.Copy(t.content, r)
	t.size += size
	return offset, size, err
}

// clean is a path without its leading slash, in the merged folders. It refuses
// what leads out of the tree.
func clean(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("path %q leads upwards", name)
		}
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	top, _, below := strings.Cut(name, "/")
	switch top {
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32":
		if below {
			return "usr/" + name, nil
		}
	}
	return name, nil
}

// parents adds the folders that lead to a path.
func (t *Tree) parents(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := t.nodes[dir]; !ok {
			t.nodes[dir] = folder(dir, 0o755)
		}
	}
}

// follow resolves the links among a path's folders, so that a file put at
// /var/run/x lies where the link of that name leads.
func (t *Tree) follow(name string) (string, error) {
	const most = 40 // as the kernel's MAXSYMLINKS, include/linux/namei.h
	for range most {
		next, changed, err := t.followOnce(name)
		if err != nil || !changed {
			return next, err
		}
		name = next
	}
	return "", fmt.Errorf("path %q has too many links in it", name)
}

func (t *Tree) followOnce(name string) (string, bool, error) {
	for i, c := range name {
		if c != '/' {
			continue
		}
		n, ok := t.nodes[name[:i]]
		if !ok || n.header.Typeflag != tar.TypeSymlink {
			continue
		}
		target := n.header.Linkname
		if !path.IsAbs(target) {
			target = path.Join("/"+path.Dir(name[:i]), target)
		}
		next, err := clean(path.Join(target, name[i+1:]))
		return next, true, err
	}
	return name, false, nil
}

// put adds a node that the image asks for, over what packages hold.
func (t *Tree) put(name string, n *node) error {
	name, err := clean(name)
	if err == nil {
		name, err = t.follow(name)
	}
	if err != nil {
		return err
	}
	if name == "" {
		return errors.New("the root folder itself cannot be replaced")
	}
	old, ok := t.nodes[name]
	if ok && (old.header.Typeflag == tar.TypeDir) != (n.header.Typeflag == tar.TypeDir) && t.occupied(name) {
		return fmt.Errorf("/%s is a folder with files in it; it cannot be replaced by a file or link", name)
	}
	n.header.Name = name
	t.nodes[name] = n
	t.parents(name)
	return nil
}

// occupied tells whether anything lies in a folder.
func (t *Tree) occupied(dir string) bool {
	for name := range t.nodes {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// Read returns a file's content.
func (t *Tree) Read(name string) ([]byte, bool, error) {
	n, ok := t.nodes[strings.TrimPrefix(filepath.ToSlash(name), "/")]
	if !ok || n.header.Typeflag != tar.TypeReg {
		return nil, false, nil
	}
	data := make([]byte, n.header.Size)
	if _, err := t.content.ReadAt(data, n.offset); err != nil && n.header.Size > 0 {
		return nil, false, err
	}
	return data, true, nil
}

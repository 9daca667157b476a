package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Stat is how a file is put: its permissions, with setuid, setgid and sticky,
// and whose it is.
type Stat struct {
	Mode  fs.FileMode
	Owner Owner
}

// AddFile puts a file with the given content at a path.
func (t *Tree) AddFile(name string, stat Stat, content []byte) error {
	return t.addReader(name, stat, bytes.NewReader(content))
}

// AddFolder puts a folder at a path, or gives one that is there its mode and
// owner.
func (t *Tree) AddFolder(name string, stat Stat) error {
	n := folder("", tarMode(stat.Mode))
	n.header.Uid, n.header.Gid = stat.Owner.UID, stat.Owner.GID
	return t.put(name, n)
}

// AddLink puts a symbolic link at a path.
func (t *Tree) AddLink(name, target string) error { return t.put(name, link("", target)) }

// CopyFile puts a file of this machine at a path, and fails when it changes
// meanwhile.
func (t *Tree) CopyFile(ctx context.Context, name string, stat Stat, source string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil {
		return err
	}
	if err := t.addReader(name, stat, in); err != nil {
		return err
	}
	after, err := os.Stat(source)
	if err != nil {
		return err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
		return fmt.Errorf("%s changed while it was read; try again when it is complete", source)
	}
	return ctx.Err()
}

func (t *Tree) addReader(name string, stat Stat, content io.Reader) error {
	offset, size, err := t.keep(content)
	if err != nil {
		return err
	}
	return t.put(name, &node{offset: offset, header: tar.Header{
		Typeflag: tar.TypeReg, Mode: tarMode(stat.Mode), Uid: stat.Owner.UID, Gid: stat.Owner.GID, Size: size,
	}})
}

// tarMode is a mode's bits as tar and chmod have them.
func tarMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

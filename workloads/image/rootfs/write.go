package rootfs

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// WriteTar writes the tree to a new tar file.
func (t *Tree) WriteTar(ctx context.Context, path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	w := tar.NewWriter(buffered)
	// Of hard links, the first by name is the file.
	first := map[int]string{}
	for _, name := range slices.Sorted(maps.Keys(t.nodes)) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := t.writeNode(w, t.nodes[name], first); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), buffered.Flush())
}

func (t *Tree) writeNode(w *tar.Writer, n *node, first map[int]string) error {
	h := n.header
	h.ModTime = time.Unix(0, 0)
	if h.Typeflag == tar.TypeDir {
		h.Name += "/"
	}
	if n.inode != 0 {
		if target, ok := first[n.inode]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, target, 0
		} else {
			first[n.inode] = h.Name
		}
	}
	if err := w.WriteHeader(&h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.Copy(w, io.NewSectionReader(t.content, n.offset, h.Size))
	return err
}

//go:build linux

package embedded

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyTree copies a folder. Files keep their modes and their holes: etcd
// preallocates 64 MB that are mostly zero. skip, when not nil, leaves out what
// it says yes to, by path relative to from and, for files, size.
func copyTree(from, to string, skip func(rel string, size int64) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size := info.Size()
		if d.IsDir() {
			size = 0
		}
		if skip != nil && skip(rel, size) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, info.Mode().Perm()|0o700)
		case d.Type().IsRegular():
			return copyFile(path, target, info)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		default:
			return fmt.Errorf("copying %s: neither file, folder nor link", path)
		}
	})
}

// copyFile copies a file and leaves holes where it has whole blocks of zeros.
func copyFile(from, to string, info fs.FileInfo) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer w.Close()
	block := make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(r, block)
		if n > 0 && allZero(block[:n]) {
			if _, err := w.Seek(int64(n), io.SeekCurrent); err != nil {
				return err
			}
		} else if _, err := w.Write(block[:n]); err != nil {
			return err
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := w.Truncate(info.Size()); err != nil {
		return err
	}
	return w.Close()
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

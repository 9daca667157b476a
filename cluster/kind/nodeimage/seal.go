package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// sealing is what makes an image of a base and what containerd has unpacked.
type sealing struct {
	base   string
	labels map[string]string
	files  map[string]string        // what is copied into it, by its path
	add    func(to io.Writer) error // writes a tar file of more; nil when there is none
}

// write puts what docker builds from, besides the store, into a folder.
func (s sealing) write(folder string) error {
	text := "FROM " + s.base + "\nADD store.tar /var/lib/\n"
	if s.add != nil {
		f, err := os.OpenFile(filepath.Join(folder, "overlay.tar"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(s.add(f), f.Close()); err != nil {
			return err
		}
		text += "ADD overlay.tar /\n"
	}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		name := filepath.Base(path)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(s.files[path]), 0o644); err != nil {
			return err
		}
		text += "COPY " + name + " " + path + "\n"
	}
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		text += fmt.Sprintf("LABEL %s=%q\n", name, s.labels[name])
	}
	return os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(text), 0o644)
}

// seal makes an image of a base and what containerd has unpacked.
func (b Builder) seal(ctx context.Context, u unpacker, ref string, s sealing) error {
	b.say("sealing the node image")
	folder := filepath.Join(b.Cache, "kind", "sealing")
	if err := os.RemoveAll(folder); err != nil { // of a builder that was killed
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if _, err := docker(ctx, nil, "stop", "--time", "30", u.id); err != nil { // with SIGRTMIN+3 it would not end
		return err
	}
	if err := copyOut(ctx, u.id, "/var/lib/containerd", filepath.Join(folder, "store.tar")); err != nil {
		return err
	}
	if err := s.write(folder); err != nil {
		return err
	}
	_, err := docker(ctx, nil, "build", "--quiet", "--network", "none", "--tag", ref, folder)
	return err
}

// copyOut writes a folder of a container to a tar file.
func copyOut(ctx context.Context, id, from, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(dockerTo(ctx, f, "cp", id+":"+from, "-"), f.Close())
}

package nodeimage

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// manifestFile is where a docker-archive lists its layers.
const manifestFile = "manifest.json"

// staysPacked tells whether an image cannot lie unpacked in a node image: one of
// its layers deletes what another has, or holds a device. Unpacked, a deletion is
// a device or an attribute that Docker's own layers cannot carry. Containerd
// unpacks such an image when a pod first wants it.
func staysPacked(archive string) (bool, error) {
	layers, err := layersOf(archive)
	if err != nil {
		return false, fmt.Errorf("reading the layers of %s: %w", archive, err)
	}
	stays := false
	err = eachFile(archive, func(name string, r io.Reader) error {
		if stays || !slices.Contains(layers, name) {
			return nil
		}
		var err error
		stays, err = deletes(r)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading the layers of %s: %w", archive, err)
	}
	return stays, nil
}

// layersOf are the names of an archive's layers in it.
func layersOf(archive string) ([]string, error) {
	var layers []string
	err := eachFile(archive, func(name string, r io.Reader) error {
		if name != manifestFile {
			return nil
		}
		var images []struct{ Layers []string }
		if err := json.NewDecoder(r).Decode(&images); err != nil {
			return err
		}
		for _, i := range images {
			layers = append(layers, i.Layers...)
		}
		return nil
	})
	if err == nil && layers == nil {
		err = errors.New("it lists none")
	}
	return layers, err
}

// deletes tells whether a layer deletes anything or holds a device. Of one that
// is packed in an unknown way it is assumed.
func deletes(layer io.Reader) (bool, error) {
	in := bufio.NewReader(layer)
	var content io.Reader = in
	switch magic, _ := in.Peek(4); {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return false, err
		}
		defer unzipped.Close()
		content = unzipped
	case string(magic) == "\x28\xb5\x2f\xfd": // zstd
		return true, nil
	}
	entries := tar.NewReader(content)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		device := h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock
		if device || strings.HasPrefix(path.Base(h.Name), ".wh.") {
			return true, nil
		}
	}
}

// eachFile reads the files of a tar file in order.
func eachFile(archive string, do func(name string, r io.Reader) error) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	in := tar.NewReader(f)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(h.Name, in); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

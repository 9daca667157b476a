package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// Archive is an image that somebody saved: a docker-archive tar file as "docker
// save" writes it, an OCI layout folder, or such a folder as a tar file. It may
// be compressed with gzip.
type Archive struct {
	// Path is the file or folder.
	Path string
	// Ref is the image's full reference as pods name it. It also picks the image
	// when the archive has several; empty means the one name in the archive.
	Ref string
}

// FromArchive makes an image from a local archive, or finds it in the cache. Of
// images for several platforms it takes this machine's. All digests are
// checked. The cache takes an archive for unchanged while path, size and
// modification time (of a folder: of its index) are.
func (b Builder) FromArchive(ctx context.Context, a Archive) (Image, error) {
	store, err := b.store()
	if err != nil {
		return Image{}, err
	}
	if a.Ref != "" {
		if _, err := parseRef(a.Ref); err != nil {
			return Image{}, err
		}
	}
	where, err := filepath.Abs(a.Path)
	if err != nil || a.Path == "" {
		return Image{}, fmt.Errorf("image archive %q: give the path of a file or folder", a.Path)
	}
	key, err := archiveKey(where)
	if err != nil {
		return Image{}, fmt.Errorf("image archive: %w", err)
	}
	sum := sha256.Sum256([]byte(key + " " + a.Ref + " " + hostPlatform().Architecture + " 1"))
	entry, err := store.Make(ctx, "image-archive-"+hex.EncodeToString(sum[:12]), func(ctx context.Context, out, scratch string) error {
		b.say("reading image archive %s", where)
		return fillArchive(ctx, where, a.Ref, folders{out, scratch})
	})
	if err != nil {
		return Image{}, fmt.Errorf("image archive %s: %w", where, err)
	}
	ref, err := os.ReadFile(entry.Path(refFile))
	if err != nil {
		return Image{}, fmt.Errorf("image archive %s: %w", where, err)
	}
	return sealed(entry, string(ref))
}

// refFile holds the name that an archive's image was found to have.
const refFile = "ref"

// archiveKey stands for an archive's content without reading all of it.
func archiveKey(where string) (string, error) {
	info, err := os.Stat(where)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return fileKey(where)
	}
	key, err := fileKey(filepath.Join(where, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("folder %s is no OCI layout: it has no index.json", where)
	}
	return key, err
}

func fillArchive(ctx context.Context, where, ref string, to folders) error {
	candidates, err := readArchive(ctx, where, filepath.Join(to.scratch, "layout"))
	if err != nil {
		return err
	}
	found, err := choose(candidates, ref)
	if err != nil {
		return err
	}
	if err := checkPlatform(found.img); err != nil {
		return err
	}
	if err := validate.Image(found.img); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	if err := os.WriteFile(filepath.Join(to.out, refFile), []byte(found.ref), 0o644); err != nil {
		return err
	}
	return seal(found.img, found.ref, to.out)
}

// candidate is an image of an archive, for this machine's platform if there is
// one.
type candidate struct {
	// ref is its full reference; empty when the archive does not say.
	ref string
	img v1.Image
}

// choose picks the image called ref, or the only one.
func choose(candidates []candidate, ref string) (candidate, error) {
	if ref != "" {
		for _, c := range candidates {
			if c.ref == ref {
				return c, nil
			}
		}
	}
	var names []string
	for _, c := range candidates {
		names = append(names, cmp.Or(c.ref, "(no name)"))
	}
	switch {
	case len(candidates) == 0:
		return candidate{}, errors.New("it holds no image")
	case len(candidates) > 1 && ref == "":
		return candidate{}, fmt.Errorf("it holds %d images: say which with Ref: %s", len(candidates), strings.Join(names, ", "))
	case len(candidates) > 1:
		return candidate{}, fmt.Errorf("it holds no image %s, but %s", ref, strings.Join(names, ", "))
	}
	only := candidates[0]
	if only.ref = cmp.Or(ref, only.ref); only.ref == "" {
		return candidate{}, errors.New("it does not say what its image is called: give a Ref")
	}
	return only, nil
}

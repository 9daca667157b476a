package image

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"squall/workloads/image/cache"
)

// seal writes an image's archive and digest, which make a cache entry an image.
func seal(img v1.Image, ref, out string) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	tag, err := parseRef(ref)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(filepath.Join(out, archiveFile), tag, img); err != nil {
		return fmt.Errorf("write its archive: %w", err)
	}
	return os.WriteFile(filepath.Join(out, digestFile), []byte(digest.String()), 0o644)
}

// sealed is the image of an entry that seal wrote.
func sealed(entry cache.Entry, ref string) (Image, error) {
	digest, err := os.ReadFile(entry.Path(digestFile))
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", ref, err)
	}
	return Image{Ref: ref, Digest: string(digest), Archive: entry.Path(archiveFile)}, nil
}

// parseRef reads a full reference with a tag.
func parseRef(ref string) (name.Tag, error) {
	tag, err := name.NewTag(ref, name.StrictValidation)
	if err != nil {
		return name.Tag{}, fmt.Errorf("image reference %q: %v; write it in full, as in \"squall.local/shop:v1\"", ref, err)
	}
	return tag, nil
}

func validateEnv(env []string) error {
	for _, e := range env {
		if i := strings.IndexByte(e, '='); i < 1 {
			return fmt.Errorf("environment %q is not of the form NAME=value", e)
		}
	}
	return nil
}

// complaints collects all that is wrong with an input.
type complaints struct{ found []error }

func (c *complaints) add(err error) {
	if err != nil {
		c.found = append(c.found, err)
	}
}

func (c *complaints) when(wrong bool, format string, args ...any) {
	if wrong {
		c.add(fmt.Errorf(format, args...))
	}
}

func (c *complaints) err() error { return errors.Join(c.found...) }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// sorted is a copy in order, each once.
func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

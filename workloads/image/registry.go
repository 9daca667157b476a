package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"squall/workloads/image/cache"
)

// ErrRegistry says that a registry did not answer.
var ErrRegistry = errors.New("the registry did not answer")

// pullTime is how long an image may take to arrive.
const pullTime = 15 * time.Minute

// Cache entries of pulled images: which digest a tag had, and the images.
const (
	tagPrefix    = "tag-"
	pulledPrefix = "image-pulled-"
)

// FromRegistry pulls an image for this machine's platform, with the credentials
// that "docker login" saved, or finds it in the cache.
//
// A reference is a tag ("nginx:1.27"), or a tag with a digest
// ("nginx:1.27@sha256:…"), which is then what the image must have. Which digest
// a tag without one had is remembered until the cache is removed or
// [Builder.RefreshTags]. The image's Ref is the full reference, such as
// "docker.io/library/nginx:1.27".
func (b Builder) FromRegistry(ctx context.Context, ref string) (Image, error) {
	store, err := b.store()
	if err != nil {
		return Image{}, err
	}
	p, err := parsePull(ref)
	if err != nil {
		return Image{}, err
	}
	p.starting = func() { b.say("pulling image %s", p.full) }
	ctx, cancel := context.WithTimeoutCause(ctx, pullTime, fmt.Errorf("no end after %v", pullTime))
	defer cancel()
	if p.digest == "" {
		if p.digest, err = p.resolve(ctx, store); err != nil {
			return Image{}, fmt.Errorf("pull image %s: %w", p.full, err)
		}
	}
	entry, err := store.Make(ctx, p.key(), p.fill)
	if err != nil {
		return Image{}, fmt.Errorf("pull image %s: %w", p.full, err)
	}
	return sealed(entry, p.full)
}

// RefreshTags forgets which digests tags had, so that the next FromRegistry
// asks the registry again.
func (b Builder) RefreshTags(ctx context.Context) error {
	store, err := b.store()
	if err != nil {
		return err
	}
	return store.Remove(ctx, func(key string) bool { return strings.HasPrefix(key, tagPrefix) })
}

// pull is one image to pull.
type pull struct {
	tag name.Tag
	// full is the reference as pods name it.
	full string
	// digest is what the registry calls the image or its index.
	digest   string
	starting func()
}

func parsePull(ref string) (pull, error) {
	named, digest, pinned := strings.Cut(ref, "@")
	tag, err := name.NewTag(named)
	if err != nil {
		return pull{}, fmt.Errorf("image reference %q: %w", ref, err)
	}
	if pinned {
		if _, err := v1.NewHash(digest); err != nil {
			return pull{}, fmt.Errorf("image reference %q: its digest: %w", ref, err)
		}
	}
	// Where there is none, name.NewTag gives "latest", which moves.
	if !strings.Contains(named[strings.LastIndex(named, "/")+1:], ":") {
		return pull{}, fmt.Errorf("image reference %q has no tag: nodes hold images by their tags; write it as %s:TAG%s", ref, named, ref[len(named):])
	}
	return pull{tag: tag, full: fullName(tag), digest: digest}, nil
}

// key is the cache key of the image.
func (p pull) key() string {
	sum := sha256.Sum256([]byte(p.full + " " + p.digest + " " + runtime.GOARCH + " 1"))
	return pulledPrefix + hex.EncodeToString(sum[:12])
}

// resolve finds the digest of a tag, in the cache or at the registry.
func (p pull) resolve(ctx context.Context, store cache.Store) (string, error) {
	sum := sha256.Sum256([]byte(p.full))
	entry, err := store.Make(ctx, tagPrefix+hex.EncodeToString(sum[:12]), func(ctx context.Context, out, _ string) error {
		p.starting()
		head, err := remote.Get(p.tag, p.options(ctx)...)
		if err != nil {
			return p.explain(err)
		}
		return os.WriteFile(filepath.Join(out, digestFile), []byte(head.Digest.String()), 0o644)
	})
	if err != nil {
		return "", err
	}
	digest, err := os.ReadFile(entry.Path(digestFile))
	return string(digest), err
}

func (p pull) fill(ctx context.Context, out, _ string) error {
	p.starting()
	img, err := remote.Image(p.tag.Context().Digest(p.digest), p.options(ctx)...)
	if err != nil {
		return p.explain(err)
	}
	if err := checkPlatform(img); err != nil {
		return err
	}
	if err := seal(img, p.full, out); err != nil {
		return p.explain(err)
	}
	// What was written is read back: all digests are right, or it is no image.
	written, err := openArchive(filepath.Join(out, archiveFile), p.full)
	if err != nil {
		return err
	}
	return validate.Image(written)
}

func (p pull) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(hostPlatform()),
		remote.WithRetryBackoff(remote.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Steps: 3}),
	}
}

// explain says which registry failed, and what to do.
func (p pull) explain(err error) error {
	registry := p.tag.RegistryStr()
	var answer *transport.Error
	var network net.Error
	var request *url.Error
	switch {
	case errors.As(err, &answer) && (answer.StatusCode == 401 || answer.StatusCode == 403):
		return fmt.Errorf("registry %s refused: %w; the image may be private or absent: try \"docker login %s\", or check the name", registry, err, registry)
	case errors.As(err, &answer):
		return fmt.Errorf("registry %s answered: %w", registry, err)
	case errors.As(err, &network), errors.As(err, &request):
		return fmt.Errorf("%w: %s: %w; check the network and HTTPS_PROXY, or give the image as an archive (\"docker save\")", ErrRegistry, registry, err)
	}
	return fmt.Errorf("registry %s: %w", registry, err)
}

func hostPlatform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// checkPlatform refuses an image whose programs this machine cannot run.
func checkPlatform(img v1.Image) error {
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	if want := hostPlatform(); config.OS != want.OS || config.Architecture != want.Architecture {
		return fmt.Errorf("it is for %s/%s; this machine runs %s/%s", config.OS, config.Architecture, want.OS, want.Architecture)
	}
	return nil
}

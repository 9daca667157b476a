package image_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image"
)

// server is a registry on the loopback interface.
type server struct {
	host     string
	requests *atomic.Int64
	close    func()
}

func startRegistry(t *testing.T) server {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	var requests atomic.Int64
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if user, password, _ := r.BasicAuth(); strings.Contains(r.URL.Path, "/private/") && user+password != "mesecret" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		} else if r.URL.Path == "/v2/" && user == "" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	address, err := url.Parse(s.URL)
	require.NoError(t, err)
	return server{host: address.Host, requests: &requests, close: s.Close}
}

// push puts an index into the registry and returns its reference.
func (s server) push(t *testing.T, repository string, index v1.ImageIndex) string {
	t.Helper()
	tag, err := name.NewTag(s.host + "/" + repository)
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(tag, index))
	return tag.Name()
}

func TestFromRegistry(t *testing.T) {
	s := startRegistry(t)
	b, _ := builder(t)
	mine := some(t, host())
	index := platforms(t, some(t, other()), mine)
	ref := s.push(t, "shop/web:v1", index)
	got, err := b.FromRegistry(t.Context(), ref)
	require.NoError(t, err)
	assert.Equal(t, ref, got.Ref)
	assert.Equal(t, digest(t, mine), got.Digest)
	assert.Equal(t, configDigest(t, mine), configDigest(t, kept(t, got)))

	// The tag moves; what it was is remembered until a refresh.
	moved := some(t, host())
	s.push(t, "shop/web:v1", platforms(t, moved))
	before := s.requests.Load()
	same, err := b.FromRegistry(t.Context(), ref)
	require.NoError(t, err)
	assert.Equal(t, got, same)
	assert.Equal(t, before, s.requests.Load(), "the registry was asked")
	require.NoError(t, b.RefreshTags(t.Context()))
	fresh, err := b.FromRegistry(t.Context(), ref)
	require.NoError(t, err)
	assert.Equal(t, digest(t, moved), fresh.Digest)

	// A digest beside the tag says which image it must be.
	pinned, err := b.FromRegistry(t.Context(), ref+"@"+digest(t, index))
	require.NoError(t, err)
	assert.Equal(t, got, pinned)
	elsewhere, _ := builder(t)
	pinned, err = elsewhere.FromRegistry(t.Context(), ref+"@"+digest(t, index))
	require.NoError(t, err)
	assert.Equal(t, got.Digest, pinned.Digest, "whatever the tag is now")
	_, err = b.FromRegistry(t.Context(), strings.TrimSuffix(ref, ":v1")+"@"+digest(t, index))
	assert.ErrorContains(t, err, "has no tag")
	_, err = b.FromRegistry(t.Context(), ref+"@sha256:12")
	assert.ErrorContains(t, err, "its digest")

	_, err = b.FromRegistry(t.Context(), s.host+"/shop/none:v1")
	assert.ErrorContains(t, err, "registry "+s.host+" answered")
	foreign := s.push(t, "shop/foreign:v1", platforms(t, some(t, other())))
	_, err = b.FromRegistry(t.Context(), foreign)
	assert.ErrorContains(t, err, "no child with platform linux/"+host().Architecture)

	s.close()
	again, err := b.FromRegistry(t.Context(), ref)
	require.NoError(t, err, "what is in the cache needs no registry")
	assert.Equal(t, fresh, again)
	require.NoError(t, b.RefreshTags(t.Context()))
	_, err = b.FromRegistry(t.Context(), ref)
	require.ErrorIs(t, err, image.ErrRegistry)
	assert.ErrorContains(t, err, s.host)
}

func TestFromRegistryRefusesWhatHasNoTag(t *testing.T) {
	s := startRegistry(t)
	b, _ := builder(t)
	some := "@sha256:" + strings.Repeat("0", 64)
	for ref, way := range map[string]string{
		"nginx":                  "write it as nginx:TAG",
		"nginx" + some:           "write it as nginx:TAG" + some,
		s.host + "/shop/web":     "write it as " + s.host + "/shop/web:TAG",
		s.host + "/nginx" + some: "write it as " + s.host + "/nginx:TAG" + some,
	} {
		_, err := b.FromRegistry(t.Context(), ref)
		require.ErrorContains(t, err, "has no tag", ref)
		assert.ErrorContains(t, err, way, ref)
	}
	assert.Zero(t, s.requests.Load(), "the registry was asked")
}

func TestRegistryCredentials(t *testing.T) {
	s := startRegistry(t)
	b, _ := builder(t)
	_, err := b.FromRegistry(t.Context(), s.host+"/private/web:v1")
	assert.ErrorContains(t, err, "docker login "+s.host)

	// What "docker login" saves: base64 of "me:secret".
	config := `{"auths":{"` + s.host + `":{"auth":"bWU6c2VjcmV0"}}}`
	require.NoError(t, os.WriteFile(os.Getenv("DOCKER_CONFIG")+"/config.json", []byte(config), 0o600))
	_, err = b.FromRegistry(t.Context(), s.host+"/private/web:v1")
	assert.ErrorContains(t, err, "registry "+s.host+" answered", "it let us in, and has no such image")
}

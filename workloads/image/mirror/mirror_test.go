package mirror_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"squall/workloads/image/mirror"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pushed is a registry that holds one image, and its host.
func pushed(t *testing.T) (host, digest, layer string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	img, err := random.Image(3000, 1)
	require.NoError(t, err)
	ref, err := name.ParseReference(host + "/team/app:v1")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, img))
	hash, err := img.Digest()
	require.NoError(t, err)
	layers, err := img.Layers()
	require.NoError(t, err)
	first, err := layers[0].Digest()
	require.NoError(t, err)
	return host, hash.String(), first.String()
}

func get(t *testing.T, base, path, ns string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(base + path + "?ns=" + url.QueryEscape(ns))
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r, string(body)
}

func TestHandlerPassesOnPulls(t *testing.T) {
	host, digest, layer := pushed(t)
	h, err := mirror.New([]string{host})
	require.NoError(t, err)
	server := httptest.NewServer(h)
	defer server.Close()

	r, body := get(t, server.URL, "/v2/team/app/manifests/v1", host)
	require.Equal(t, http.StatusOK, r.StatusCode, body)
	assert.Equal(t, digest, r.Header.Get("Docker-Content-Digest"))
	assert.Contains(t, body, layer)

	r, body = get(t, server.URL, "/v2/team/app/blobs/"+layer, host)
	require.Equal(t, http.StatusOK, r.StatusCode)
	assert.EqualValues(t, len(body), r.ContentLength)

	r, _ = get(t, server.URL, "/v2/team/app/manifests/v2", host)
	assert.Equal(t, http.StatusNotFound, r.StatusCode, "what the registry says about a tag that is not there")
	r, _ = get(t, server.URL, "/v2/", "")
	assert.Equal(t, http.StatusOK, r.StatusCode)
}

func TestHandlerRefusesTheRest(t *testing.T) {
	host, _, _ := pushed(t)
	h, err := mirror.New([]string{host})
	require.NoError(t, err)
	server := httptest.NewServer(h)
	defer server.Close()

	r, body := get(t, server.URL, "/v2/team/app/manifests/v1", "other.example")
	assert.Equal(t, http.StatusForbidden, r.StatusCode)
	assert.Contains(t, body, `"other.example" is not among those of this cluster: `+host)
	for _, path := range []string{"/v2/_catalog", "/", "/v2/team/app/tags/list", "/v2/team/app/blobs/../../../x",
		"/v2/_catalog/blobs/..", "/v2/x/../../api/users/manifests/..", "/v2/team/../app/manifests/v1", "/v2/./app/manifests/v1"} {
		r, _ := get(t, server.URL, path, host)
		assert.Equal(t, http.StatusNotFound, r.StatusCode, path)
	}
	post, err := http.Post(server.URL+"/v2/team/app/blobs/uploads/?ns="+host, "", nil)
	require.NoError(t, err)
	post.Body.Close()
	assert.Equal(t, http.StatusMethodNotAllowed, post.StatusCode)
}

func TestHandlerNamesARegistryThatIsAway(t *testing.T) {
	h, err := mirror.New([]string{"127.0.0.1:1"})
	require.NoError(t, err)
	server := httptest.NewServer(h)
	defer server.Close()
	r, body := get(t, server.URL, "/v2/team/app/manifests/v1", "127.0.0.1:1")
	assert.Equal(t, http.StatusBadGateway, r.StatusCode)
	assert.Contains(t, body, "reaching the registry 127.0.0.1:1")
}

func TestNewSaysWhatIsNoRegistry(t *testing.T) {
	_, err := mirror.New([]string{"docker.io", "https://docker.io", "a b", "..", ""})
	require.Error(t, err)
	assert.Contains(t, err.Error(), `"https://docker.io" is no registry`)
	assert.Contains(t, err.Error(), `"a b" is no registry`)
	assert.Contains(t, err.Error(), `".." is no registry`)
	assert.Contains(t, err.Error(), `"" is no registry`)
	assert.NotContains(t, err.Error(), `"docker.io" is no registry`)
}

package nodeimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/workloads/image"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cacheDir() string {
	if dir := os.Getenv("SQUALL_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, "squall")
}

// TestBuild makes the image, or finds it; the second time it is found.
func TestBuild(t *testing.T) {
	b := Builder{Cache: cacheDir(), Progress: func(line string) { t.Log(line) }}
	began := time.Now()
	first, err := b.Build(t.Context(), nil)
	require.NoError(t, err)
	t.Logf("%s after %s", first.Ref, time.Since(began))
	began = time.Now()
	again, err := b.Build(t.Context(), nil)
	require.NoError(t, err)
	t.Logf("again after %s", time.Since(began))
	assert.Equal(t, first, again)
	signal, err := docker(t.Context(), nil, "image", "inspect", "--format", "{{.Config.StopSignal}}", first.Ref)
	require.NoError(t, err)
	assert.Equal(t, "SIGRTMIN+3", signal, "kind ends nodes with it")
	left, err := docker(t.Context(), nil, "ps", "--all", "--quiet", "--filter", "label="+labelBuild)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestSweepRemovesWhatAKilledBuilderLeft(t *testing.T) {
	made, err := Builder{Cache: cacheDir()}.Build(t.Context(), nil)
	require.NoError(t, err)
	id, err := docker(t.Context(), nil, "create", "--label", labelBuild+"=x", made.Ref)
	require.NoError(t, err)
	unlock, err := Builder{Cache: cacheDir()}.lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	require.NoError(t, sweep(t.Context()))
	left, err := docker(t.Context(), nil, "ps", "--all", "--quiet", "--no-trunc", "--filter", "id="+id)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestTheKeyChangesWithEachPart(t *testing.T) {
	a, b := image.Image{Ref: "a", Digest: "1"}, image.Image{Ref: "b", Digest: "2"}
	key := keyOf("tree", a, []image.Image{a, b})
	assert.Equal(t, key, keyOf("tree", a, []image.Image{b, a}), "the order of images is nothing")
	for _, other := range []string{keyOf("other", a, []image.Image{a, b}), keyOf("tree", b, []image.Image{a, b}), keyOf("tree", a, []image.Image{a})} {
		assert.NotEqual(t, key, other)
	}
}

func TestAModuleThatChangedIsRefused(t *testing.T) {
	sums, err := os.ReadFile("../../../go.sum")
	require.NoError(t, err)
	assert.Contains(t, string(sums), kindModule+" "+KindVersion+" "+kindSum, "the library is of another version")
	folder, err := fetchModule(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.NoError(t, verify(folder))
	changed := t.TempDir()
	require.NoError(t, os.CopyFS(changed, os.DirFS(folder)))
	require.NoError(t, verify(changed))
	require.NoError(t, os.WriteFile(filepath.Join(changed, "images/base/files/kind/bin/more.sh"), nil, 0o600))
	assert.ErrorContains(t, verify(changed), "not what it was")
}

// docker-archives of layers, each of the names of files; one that ends in "*" is
// a device.
func archiveOf(t *testing.T, zip bool, layers ...[]string) string {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, content []byte) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}))
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	var names []string
	for i, files := range layers {
		var layer bytes.Buffer
		var to io.WriteCloser = struct {
			io.Writer
			io.Closer
		}{&layer, io.NopCloser(nil)}
		if zip {
			to = gzip.NewWriter(&layer)
		}
		l := tar.NewWriter(to)
		for _, name := range files {
			h := &tar.Header{Name: strings.TrimSuffix(name, "*"), Mode: 0o644, Typeflag: tar.TypeReg}
			if strings.HasSuffix(name, "*") {
				h.Typeflag = tar.TypeChar
			}
			require.NoError(t, l.WriteHeader(h))
		}
		require.NoError(t, errors.Join(l.Close(), to.Close()))
		names = append(names, fmt.Sprint("layer-", i))
		add(names[i], layer.Bytes())
	}
	manifest, err := json.Marshal([]any{map[string]any{"Layers": names}})
	require.NoError(t, err)
	add("manifest.json", manifest)
	require.NoError(t, w.Close())
	file := filepath.Join(t.TempDir(), "archive.tar")
	require.NoError(t, os.WriteFile(file, archive.Bytes(), 0o600))
	return file
}

// What deletes cannot lie unpacked in a layer of Docker's.
func TestAnImageThatDeletesStaysPacked(t *testing.T) {
	for _, zip := range []bool{false, true} {
		for _, c := range []struct {
			layers [][]string
			packed bool
		}{
			{[][]string{{"a", "b/c"}}, false},
			{[][]string{{"a"}, {"b", "c.wh.d"}}, false},
			{[][]string{{"a"}, {"b", ".wh.a"}}, true},
			{[][]string{{"a/b"}, {"a/.wh..wh..opq", "c"}, {"d"}}, true},
			{[][]string{{"dev/null*"}}, true},
		} {
			packed, err := staysPacked(archiveOf(t, zip, c.layers...))
			require.NoError(t, err)
			assert.Equal(t, c.packed, packed, "%v, compressed: %v", c.layers, zip)
		}
	}
	_, err := staysPacked(archiveOf(t, false))
	assert.ErrorContains(t, err, "it lists none")
}

func TestKubeadmFindsItsImages(t *testing.T) {
	assert.Equal(t, map[string]string{
		"registry.k8s.io/kube-proxy:v1": kubeRef, "registry.k8s.io/etcd:3": kubeRef,
		"registry.k8s.io/coredns/coredns:v1": dnsRef, "registry.k8s.io/pause:9": pauseRef, sandboxRef: pauseRef,
	}, aliases([]string{"registry.k8s.io/kube-proxy:v1", "registry.k8s.io/etcd:3", "registry.k8s.io/coredns/coredns:v1", "registry.k8s.io/pause:9"}))
}

func TestACancelledLockIsGivenBack(t *testing.T) {
	b := Builder{Cache: t.TempDir()}
	unlock, err := b.lock(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = b.lock(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()
	again, err := b.lock(t.Context())
	require.NoError(t, err)
	again()
}

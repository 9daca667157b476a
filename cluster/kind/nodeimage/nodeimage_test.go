package nodeimage

import (
	"context"
	"os"
	"path/filepath"
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
	require.NoError(t, Sweep(t.Context()))
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
	require.NoError(t, verify(kindSum))
	assert.ErrorContains(t, verify("h1:other"), "not what it was")
	sums, err := os.ReadFile("../../../go.sum")
	require.NoError(t, err)
	assert.Contains(t, string(sums), kindModule+" "+KindVersion+" "+kindSum, "the library is of another version")
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

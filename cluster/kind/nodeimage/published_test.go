package nodeimage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"squall/cluster/components"
	"squall/workloads/image"
	"squall/workloads/image/imagetest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyImagesPinnedByDigestAreTaken(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0123456789abcdef", 4)
	for _, good := range []string{PublishedRef, "kindest/node" + digest, "127.0.0.1:5000/a/b:v1" + digest} {
		assert.NoError(t, CheckRef(good))
	}
	for _, bad := range []string{"", "kindest/node:v1.36.4", "--rm" + digest, "a b" + digest, "a" + digest + "0", "a" + digest[:70], "A" + digest} {
		assert.ErrorContains(t, CheckRef(bad), "pinned by its digest", bad)
	}
}

func TestOnlyPatchesOfTheComponentsMinorAreTaken(t *testing.T) {
	minor := strings.Join(strings.Split(components.KubernetesVersion, ".")[:2], ".")
	for _, good := range []string{components.KubernetesVersion, minor + ".99"} {
		assert.NoError(t, sameMinor(good))
	}
	for _, bad := range []string{"v1.2.3", minor, minor + "0.1", ""} {
		assert.ErrorContains(t, sameMinor(bad), minor, bad)
	}
}

// standIn is the archive of an image that stands for a published one, which cannot
// be had without a network: Squall's own base.
func standIn(t *testing.T) string {
	t.Helper()
	b := Builder{Cache: cacheDir()}
	tree, err := components.Builder{Dir: filepath.Join(b.Cache, "components")}.Build(t.Context())
	require.NoError(t, err)
	base, err := b.base(t.Context(), image.Builder{Dir: filepath.Join(b.Cache, "images")}, tree)
	require.NoError(t, err)
	return base.Archive
}

// serve has a registry on the loopback hold an image, and returns its reference, of
// which the engine knows nothing.
func serve(t *testing.T, archive string) string {
	t.Helper()
	ctx := t.Context()
	host, stop, err := imagetest.Serve(archive, "kindest/node:v1")
	require.NoError(t, err)
	t.Cleanup(stop)
	tag := host + "/kindest/node:v1"
	_, err = docker(ctx, nil, "pull", "--quiet", tag)
	require.NoError(t, err)
	digests, err := docker(ctx, nil, "image", "inspect", "--format", `{{join .RepoDigests "\n"}}`, tag)
	require.NoError(t, err)
	var ref string
	for _, line := range strings.Fields(digests) {
		if strings.HasPrefix(line, host) {
			ref = line
		}
	}
	require.NotEmpty(t, ref, digests)
	_, err = docker(ctx, nil, "image", "rm", "--force", tag, ref)
	require.NoError(t, err)
	return ref
}

func TestAPublishedImageIsBuiltUpon(t *testing.T) {
	ref := serve(t, standIn(t))
	var said []string
	b := Builder{Cache: cacheDir(), From: ref, Progress: func(line string) { said = append(said, line) }}
	made, err := b.Build(t.Context(), nil)
	require.NoError(t, err)
	defer docker(context.Background(), nil, "image", "rm", "--force", made.Ref, ref)
	assert.Equal(t, Image{Ref: made.Ref, KubernetesVersion: components.KubernetesVersion, From: ref}, made)
	assert.Contains(t, said, "pulling "+ref)
	for _, line := range said {
		assert.NotContains(t, line, kubeRef, "it has Kubernetes itself")
	}

	again, err := b.Build(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, made, again)
	look, err := docker(t.Context(), nil, "run", "--rm", "--network", "none", "--entrypoint", "bash", made.Ref, "-euc",
		"cd /etc/systemd/system; cat multi-user.target.wants/"+nodeUnit+" /kind/manifests/default-cni.yaml; ls /var/lib/containerd")
	require.NoError(t, err)
	for _, want := range []string{"ExecStart=/squall/bin/squall-node", "name: squall-network", "io.containerd.content.v1.content"} {
		assert.Contains(t, look, want)
	}
	pulled, err := pulledFor(t.Context(), []string{made.Ref})
	require.NoError(t, err)
	assert.Equal(t, []string{ref}, pulled, "it would not be removed with the cache")
}

func TestAnImageThatCannotBePulledSaysWhatToDo(t *testing.T) {
	_, err := Builder{Cache: cacheDir(), From: "127.0.0.1:1/kindest/node@sha256:" + strings.Repeat("0", 64)}.Build(t.Context(), nil)
	assert.ErrorContains(t, err, "leave --node-image out")
}

func TestAnImageOfAnotherMinorIsRefusedAndNothingIsLeft(t *testing.T) {
	ctx := t.Context()
	folder := t.TempDir()
	_, err := docker(ctx, nil, "load", "--quiet", "--input", standIn(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "version"), []byte("v1.2.3"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("FROM "+baseRef+"\nCOPY version /kind/version\n"), 0o600))
	const old = "squall.local/node-old:test"
	archive := filepath.Join(folder, "old.tar")
	_, err = docker(ctx, nil, "build", "--quiet", "--network", "none", "--tag", old, folder)
	require.NoError(t, err)
	_, err = docker(ctx, nil, "save", "--output", archive, old)
	require.NoError(t, err)
	_, err = docker(ctx, nil, "image", "rm", "--force", old)
	require.NoError(t, err)

	ref := serve(t, archive)
	_, err = Builder{Cache: cacheDir(), From: ref}.Build(ctx, nil)
	assert.ErrorContains(t, err, "it has Kubernetes v1.2.3, and this Squall is made for v1.36")
	_, err = docker(ctx, nil, "image", "inspect", ref)
	assert.Error(t, err, "it was pulled in vain and is still there")
	left, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "label="+labelBuild)
	require.NoError(t, err)
	assert.Empty(t, left)
}

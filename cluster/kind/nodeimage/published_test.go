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

// serve has a registry on the loopback hold a stand-in for a published image, which
// cannot be had without a network: Squall's own base. It returns its reference, of
// which the engine knows nothing.
func serve(t *testing.T) string {
	t.Helper()
	ctx := t.Context()
	b := Builder{Cache: cacheDir()}
	tree, err := components.Builder{Dir: filepath.Join(b.Cache, "components")}.Build(ctx)
	require.NoError(t, err)
	base, err := b.base(ctx, image.Builder{Dir: filepath.Join(b.Cache, "images")}, tree)
	require.NoError(t, err)
	host, stop, err := imagetest.Serve(base.Archive, "kindest/node:v1")
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
	ref := serve(t)
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

func TestAnImageThatIsNoNodesIsRefusedAndNothingIsLeft(t *testing.T) {
	ctx := t.Context()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("FROM "+baseRef+"\nRUN [\"/bin/sh\", \"-c\", \"echo v1.2.3 > /kind/version\"]\n"), 0o600))
	const old = "squall.local/node-old:test"
	_, err := docker(ctx, nil, "build", "--quiet", "--network", "none", "--tag", old, folder)
	require.NoError(t, err)
	defer docker(context.Background(), nil, "image", "rm", "--force", old)
	u, err := Builder{Cache: cacheDir()}.startUnpacker(ctx, "test", old)
	require.NoError(t, err)
	version := ""
	require.NoError(t, u.endAfter(ctx, func() error {
		version, err = docker(ctx, nil, "exec", u.id, "cat", "/kind/version")
		return err
	}))
	assert.ErrorContains(t, sameMinor(version), "it has Kubernetes v1.2.3")

	_, err = Builder{Cache: cacheDir()}.startUnpacker(ctx, "test", "squall.local/nothing:test")
	require.Error(t, err)
	left, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "label="+labelBuild)
	require.NoError(t, err)
	assert.Empty(t, left)
}

//go:build linux

package embedded

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/tools/clientcmd"
)

func TestCertificatesAreWhatKubernetesExpects(t *testing.T) {
	now := time.Now()
	k, err := newPKI(now)
	require.NoError(t, err)
	ca, err := k.parse("ca")
	require.NoError(t, err)
	kubelet, err := k.parse("kubelet-client-worker-2")
	require.NoError(t, err)
	assert.Equal(t, "system:node:worker-2", kubelet.Subject.CommonName)
	assert.Equal(t, []string{"system:nodes"}, kubelet.Subject.Organization)
	assert.NoError(t, kubelet.CheckSignatureFrom(ca))
	server, err := k.parse("kubelet-server-worker-2")
	require.NoError(t, err)
	assert.NoError(t, server.VerifyHostname(nodeConfig{Index: 2}.address()))
	api, err := k.parse("apiserver")
	require.NoError(t, err)
	for _, name := range []string{"127.0.0.1", apiServiceIP, "kubernetes.default.svc", "localhost"} {
		assert.NoError(t, api.VerifyHostname(name))
	}
	proxy, err := k.parse("front-proxy-client")
	require.NoError(t, err)
	assert.Error(t, proxy.CheckSignatureFrom(ca), "the front proxy has an authority of its own")

	assert.True(t, k.fresh(now))
	assert.False(t, k.fresh(now.Add(certificateLife)), "expired")
	delete(k, "scheduler")
	assert.False(t, k.fresh(now), "a certificate is missing")
}

func TestAWorkerGetsItsOwnKeysOnly(t *testing.T) {
	k, err := newPKI(time.Now())
	require.NoError(t, err)
	own := k.of(nodeConfig{Name: "worker-1", Index: 1})
	assert.Empty(t, own["ca"].Key, "the authority's key")
	assert.NotContains(t, own, "admin")
	assert.NotContains(t, own, "sa")
	assert.NotContains(t, own, "kubelet-client-worker-2")
	assert.NotEmpty(t, own["kubelet-client-worker-1"].Key)
}

func TestKubeconfigIsOne(t *testing.T) {
	k, err := newPKI(time.Now())
	require.NoError(t, err)
	b, err := k.kubeconfig("squall-demo", "https://127.0.0.1:1", "admin")
	require.NoError(t, err)
	cfg, err := clientcmd.RESTConfigFromKubeConfig(b)
	require.NoError(t, err)
	assert.Equal(t, "https://127.0.0.1:1", cfg.Host)
	assert.False(t, cfg.Insecure)
	assert.Equal(t, k["ca"].Cert, cfg.CAData)
}

func TestCopyTreeKeepsHolesModesAndLinks(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.MkdirAll(filepath.Join(from, "a", "skipped"), 0o700))
	sparse := make([]byte, 8<<20)
	copy(sparse[5<<20:], "in the middle")
	require.NoError(t, os.WriteFile(filepath.Join(from, "a", "sparse"), sparse, 0o640))
	require.NoError(t, os.WriteFile(filepath.Join(from, "a", "odd"), []byte("short"), 0o600))
	require.NoError(t, os.Symlink("odd", filepath.Join(from, "a", "link")))
	require.NoError(t, copyTree(from, to, func(rel string, _ int64) bool { return rel == "a/skipped" }))

	got, err := os.ReadFile(filepath.Join(to, "a", "sparse"))
	require.NoError(t, err)
	assert.Equal(t, sparse, got)
	info, err := os.Stat(filepath.Join(to, "a", "sparse"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	assert.Less(t, info.Sys().(*syscall.Stat_t).Blocks*512, int64(1<<20), "the zeros take room")
	link, err := os.Readlink(filepath.Join(to, "a", "link"))
	require.NoError(t, err)
	assert.Equal(t, "odd", link)
	assert.NoDirExists(t, filepath.Join(to, "a", "skipped"))
}

func TestBadSpecsAreRefusedWithEveryReason(t *testing.T) {
	_, err := New(t.TempDir()).Create(t.Context(), cluster.Spec{
		Name: "Not_A_Name", Workers: 9, NodeCPU: resource.MustParse("-1"),
	}, nil)
	require.Error(t, err)
	assert.ErrorContains(t, err, `"Not_A_Name"`)
	assert.ErrorContains(t, err, "1 to 5")
	assert.ErrorContains(t, err, "negative")
	_, err = New(t.TempDir()).Create(t.Context(), cluster.Spec{Name: "big", Workers: 1, NodeCPU: resource.MustParse("1000")}, nil)
	assert.ErrorContains(t, err, "nodes of 1k processors")
	assert.ErrorIs(t, err, cluster.ErrHost)
}

func TestABringUpThatCannotEndWellEndsAtOnce(t *testing.T) {
	b := bringUp{missing: map[string]bool{"worker-1": true}, last: map[string]what{}, ends: map[string]int{}}
	assert.NoError(t, b.take(event{Node: "worker-1", What: whatExited, Program: "kubelet", Status: "exit status 1"}))
	assert.ErrorContains(t, b.take(event{Node: "x", What: whatExited, Program: "etcd", Status: "exit status 1", Tail: "no space"}), "no space")
	for range 3 {
		assert.NoError(t, b.take(event{Node: "worker-1", What: whatExited, Program: "kubelet", Status: "exit status 1"}))
	}
	assert.ErrorContains(t, b.take(event{Node: "worker-1", What: whatExited, Program: "kubelet", Status: "exit status 1"}), "again and again")
	assert.Equal(t, "not ready: worker-1: exited", b.describe())
}

func TestFreeShareLeavesOutWhatIsKeptBack(t *testing.T) {
	assert.InDelta(t, 0.6, freeShare(unix.Statfs_t{Blocks: 250, Bfree: 210, Bavail: 60}), 1e-9)
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	assert.Empty(t, tail(path, 10))
	require.NoError(t, os.WriteFile(path, []byte("short\n"), 0o600))
	assert.Equal(t, "short\n", tail(path, 100))
	require.NoError(t, os.WriteFile(path, []byte("a long first line\nthe last\n"), 0o600))
	assert.Equal(t, "the last\n", tail(path, 15))
}

func TestALockTellsTheLivingFromTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), lockFile)
	held, err := lockHeld(path)
	require.NoError(t, err)
	assert.False(t, held, "no file")
	f, err := takeLock(path)
	require.NoError(t, err)
	held, err = lockHeld(path)
	require.NoError(t, err)
	assert.True(t, held)
	_, err = takeLock(path)
	assert.ErrorIs(t, err, cluster.ErrExists)
	f.Close()
	held, err = lockHeld(path)
	require.NoError(t, err)
	assert.False(t, held, "let go")
}

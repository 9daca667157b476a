package kind

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/settings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

func TestNodesAreNamedAsEverywhereAndContainersAsKindDoes(t *testing.T) {
	var got []string
	for _, n := range layOut(cluster.Spec{ControlPlanes: 3, Workers: 2}) {
		got = append(got, n.Name+" "+containerName("c", n.Name))
	}
	assert.Equal(t, []string{
		"control-plane-1 c-control-plane", "control-plane-2 c-control-plane2", "control-plane-3 c-control-plane3",
		"worker-1 c-worker", "worker-2 c-worker2",
	}, got)
}

func TestSubnetsAreApartAndStayInTheirRange(t *testing.T) {
	seen := map[string]bool{}
	for i := range 2 * subnetCount {
		s := subnetAt(i).String()
		assert.Equal(t, i >= subnetCount, seen[s], s)
		seen[s] = true
		assert.True(t, strings.HasPrefix(s, "198.18.") || strings.HasPrefix(s, "198.19."), s)
	}
}

func TestOnlyContainersOnTheClustersNetworkAreOurs(t *testing.T) {
	mine, other := container{ID: "a"}, container{ID: "b"}
	mine.HostConfig.NetworkMode, other.HostConfig.NetworkMode = "squall-c", "kind"
	ours, others := split("c", []container{mine, other})
	assert.Equal(t, []string{"a"}, ids(ours))
	assert.Equal(t, []string{"b"}, ids(others))
}

func TestANetworkIsOursByItsLabelAndItsName(t *testing.T) {
	assert.True(t, network{Name: "squall-c", Labels: map[string]string{labelCluster: "c"}}.ours())
	assert.False(t, network{Name: "squall-c"}.ours())
	assert.False(t, network{Name: "squall-d", Labels: map[string]string{labelCluster: "c"}}.ours())
}

// patchOf returns the patch of a kind among kubeadm's.
func patchOf(t *testing.T, patches []string, kind string) map[string]any {
	for _, p := range patches {
		var o map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(p), &o))
		if o["kind"] == kind {
			return o
		}
	}
	t.Fatalf("no patch of %s in %v", kind, patches)
	return nil
}

func TestSettingsReachTheComponents(t *testing.T) {
	timers, err := cluster.FastTimers.Set()
	require.NoError(t, err)
	m := making{name: "c", image: "i", programs: "/p", folder: "/f", port: 1234,
		nodes: layOut(cluster.Spec{Workers: 1}),
		settings: settings.Settings{Fast: true, Timers: timers,
			Gates: map[string]map[string]bool{"kubelet": {"X": true}, "kube-scheduler": {"Y": false}},
			Flags: map[string]map[string]string{"kube-apiserver": {"v": "3"}, "kubelet": {"v": "4"}}}}
	c, err := m.config()
	require.NoError(t, err)
	whole := patchOf(t, c.KubeadmConfigPatches, "ClusterConfiguration")
	text, err := yaml.Marshal(whole)
	require.NoError(t, err)
	for _, want := range []string{"name: default-not-ready-toleration-seconds\n    value: \"15\"", "name: v\n    value: \"3\"",
		"name: feature-gates\n    value: Y=false", "name: node-monitor-grace-period\n    value: 10s", "disabled: true"} {
		assert.Contains(t, string(text), want)
	}
	kubelet := patchOf(t, c.KubeadmConfigPatches, "KubeletConfiguration")
	assert.Equal(t, "2s", kubelet["nodeStatusUpdateFrequency"])
	assert.Equal(t, map[string]any{"X": true}, kubelet["featureGates"])
	require.Len(t, c.Nodes, 2)
	assert.Contains(t, c.Nodes[1].KubeadmConfigPatches[1], "name: worker-1")
	assert.Contains(t, c.Nodes[1].KubeadmConfigPatchesJSON6902[1].Patch, `{"name": "v", "value": "4"}`)
	assert.EqualValues(t, 1234, c.Networking.APIServerPort)
	assert.Equal(t, "127.0.0.1", c.Networking.APIServerAddress)
}

func TestStockTimersAreNotPassedOn(t *testing.T) {
	timers, err := cluster.StockTimers.Set()
	require.NoError(t, err)
	m := making{settings: settings.Settings{Timers: timers}}
	patches, err := m.patches()
	require.NoError(t, err)
	all := strings.Join(patches, "\n")
	assert.NotContains(t, all, "node-monitor")
	assert.NotContains(t, all, "nodeStatusUpdateFrequency")
	assert.NotContains(t, all, "toleration")
}

const kubeadmConf = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
controlPlane: {localAPIEndpoint: {advertiseAddress: 1.2.3.4}}
discovery: {bootstrapToken: {apiServerEndpoint: "c-control-plane:6443", token: old, unsafeSkipCAVerification: true}}
nodeRegistration:
  name: control-plane-1
  kubeletExtraArgs:
  - {name: node-ip, value: 1.2.3.4}
  - {name: provider-id, value: kind://docker/c/c-control-plane}
  - {name: v, value: "4"}
`

func TestAJoiningNodeHasItsOwnNameAddressAndToken(t *testing.T) {
	b, err := rewriteJoin([]byte(kubeadmConf), "c", "c-worker7", cluster.Node{Name: "worker-7", Address: "1.2.3.9"}, "new.token")
	require.NoError(t, err)
	text := string(b)
	for _, want := range []string{"name: worker-7", "value: 1.2.3.9", "kind://docker/c/c-worker7", "token: new.token", `value: "4"`, "c-control-plane:6443"} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "controlPlane:")
	assert.NotContains(t, text, "1.2.3.4")
	_, err = rewriteJoin([]byte("kind: Other\n"), "c", "x", cluster.Node{}, "t")
	assert.ErrorContains(t, err, "no JoinConfiguration")
}

func TestAnAddressIsAboveAllThatNodesHave(t *testing.T) {
	s := state{Subnet: "198.18.5.0/24"}
	s.Info.Nodes = []cluster.Node{{Address: "198.18.5.2"}, {Address: "198.18.5.4"}}
	a, err := nodes{}.freeAddress(t.Context(), s)
	require.NoError(t, err)
	assert.Equal(t, "198.18.5.5", a.String())
	s.Info.Nodes = append(s.Info.Nodes, cluster.Node{Address: "198.18.5.253"})
	_, err = nodes{}.freeAddress(t.Context(), s)
	require.NoError(t, err)
	s.Info.Nodes = append(s.Info.Nodes, cluster.Node{Address: "198.18.5.254"})
	_, err = nodes{}.freeAddress(t.Context(), s)
	assert.ErrorContains(t, err, "no address left")
}

func TestLogsAreKnownByTheirPaths(t *testing.T) {
	for name, want := range map[string]string{
		"squall/kubelet.log": "kubelet",
		"pods/kube-system_kube-apiserver-control-plane-1_abc/kube-apiserver/0.log": "kube-apiserver",
		"pods/kube-system_kube-proxy-x7k2p_abc/kube-proxy/3.log":                   "kube-proxy",
		"pods/default_kube-proxy-x_abc/kube-proxy/0.log":                           "",
		"pods/kube-system_coredns-x_abc/other/0.log":                               "",
		"squall/kubelet.txt": "",
		"squall":             "",
	} {
		assert.Equal(t, want, logOf(name), name)
	}
}

// closing is a buffer that tells whether it was closed.
type closing struct {
	bytes.Buffer
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestFramesCarryAnInputAndItsEnd(t *testing.T) {
	input := strings.Repeat("some input ", 20_000)
	var wire bytes.Buffer
	sendFrames(&wire, strings.NewReader(input))
	var got closing
	require.NoError(t, takeFrames(&got, bytes.NewReader(wire.Bytes())))
	assert.Equal(t, input, got.String())
	assert.True(t, got.closed)

	cut := bytes.NewReader(wire.Bytes()[:wire.Len()-1])
	assert.ErrorIs(t, takeFrames(&closing{}, cut), errCut)
	assert.ErrorIs(t, takeFrames(&closing{}, bytes.NewReader(nil)), errCut)
	assert.ErrorContains(t, takeFrames(&closing{}, io.LimitReader(strings.NewReader("\xff\xff\xff\xff"), 4)), "too long")

	wire.Reset()
	sendFrames(&wire, nil)
	assert.Equal(t, []byte{0, 0, 0, 0}, wire.Bytes())
}

// newAuthority is an authority as kubeadm makes one.
func newAuthority(t *testing.T) (certPEM, keyPEM []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

func TestCredentialsAreSignedByTheClustersAuthority(t *testing.T) {
	certPEM, keyPEM := newAuthority(t)
	a, err := readAuthority(certPEM, keyPEM)
	require.NoError(t, err)
	c, err := a.issue(subject{user: servicesUser, hosts: []string{"x.svc"}}, time.Now())
	require.NoError(t, err)
	block, _ := pem.Decode(c.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "x.svc"})
	require.NoError(t, err)
	assert.Equal(t, servicesUser, cert.Subject.CommonName)
	b, err := c.kubeconfig("https://c-control-plane:6443", certPEM)
	require.NoError(t, err)
	cfg, err := clientcmd.RESTConfigFromKubeConfig(b)
	require.NoError(t, err)
	assert.Equal(t, c.Key, cfg.KeyData)

	_, err = readAuthority(certPEM, []byte("nothing"))
	assert.ErrorContains(t, err, "not PEM")
}

func TestBalancersHaveTheUpperHalfOfTheNetwork(t *testing.T) {
	assert.Equal(t, "198.18.5.128/25", balancerPool("198.18.5.0/24").String())
}

package kind

import (
	"os"
	"path/filepath"
	"testing"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func writeAdditions(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kind.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestAdditionsGoToTheNodesInTheirOrder(t *testing.T) {
	folder := t.TempDir()
	a, err := ReadAdditions(writeAdditions(t, `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  maxPods: 20
containerdConfigPatches: ["version = 2"]
nodes:
- role: worker
- role: control-plane
  extraPortMappings: [{containerPort: 30080, hostPort: 8080}]
- role: worker
  extraMounts: [{hostPath: `+folder+`, containerPath: /data, readOnly: true}]
`))
	require.NoError(t, err)
	require.NoError(t, a.check(cluster.Spec{Workers: 2}))
	require.ErrorContains(t, a.check(cluster.Spec{Workers: 1}), "1 control-plane nodes and 2 workers, more than the cluster: 1 and 1")

	m := making{name: "x", nodes: layOut(cluster.Spec{Workers: 3}), additions: a}
	c, err := m.config()
	require.NoError(t, err)
	assert.Equal(t, "kind: KubeletConfiguration\nmaxPods: 20\n", c.KubeadmConfigPatches[len(c.KubeadmConfigPatches)-1])
	assert.Equal(t, "version = 2", c.ContainerdConfigPatches[len(c.ContainerdConfigPatches)-1])
	assert.Equal(t, []v1alpha4.PortMapping{{ContainerPort: 30080, HostPort: 8080, ListenAddress: "127.0.0.1"}}, c.Nodes[0].ExtraPortMappings,
		"the loopback's only")
	last := func(n v1alpha4.Node) v1alpha4.Mount { return n.ExtraMounts[len(n.ExtraMounts)-1] }
	assert.NotEqual(t, "/data", last(c.Nodes[1]).ContainerPath)
	assert.Equal(t, v1alpha4.Mount{HostPath: folder, ContainerPath: "/data", Readonly: true}, last(c.Nodes[2]))
	assert.NotEqual(t, "/data", last(c.Nodes[3]).ContainerPath)
}

func TestWhatIsOfAnotherTypeIsRefusedWithItsLine(t *testing.T) {
	_, err := ReadAdditions(writeAdditions(t, "kind: Cluster\nnodes:\n- role: worker\n  extraPortMappings:\n  - containerPort: many\n    hostPort: some\n"))
	assert.ErrorContains(t, err, "line 5: ")
	assert.ErrorContains(t, err, "line 6: ")
}

func TestAliasesAreFollowed(t *testing.T) {
	a, err := ReadAdditions(writeAdditions(t, `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: worker
  extraPortMappings: &ports
  - {containerPort: 80}
- role: control-plane
  extraPortMappings: *ports
`))
	require.NoError(t, err)
	assert.Equal(t, a.workers[0].ExtraPortMappings, a.controlPlane[0].ExtraPortMappings)
}

// FuzzReadAdditions has any bytes for a file: they are read or refused.
func FuzzReadAdditions(f *testing.F) {
	f.Add("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: worker, extraMounts: [{hostPath: /, containerPath: /x}]}]")
	f.Add("a: &a [*a]")
	f.Add("nodes: [null, 5, {extraMounts: null, extraPortMappings: [~]}]")
	f.Add("<<: {nodes: []}\nnodes: !!set {role}")
	f.Fuzz(func(t *testing.T, text string) {
		r := &additionsReader{file: "kind.yaml"}
		r.read([]byte(text))
	})
}

func TestAdditionsAreRefusedWithEveryReason(t *testing.T) {
	path := writeAdditions(t, `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha3
name: mine
featureGates: {A: true}
nodes:
- role: master
  image: busybox
  extraMounts:
  - {hostPath: /no/such/folder, containerPath: data, propagation: Some}
  - {hostPath: /, containerPath: /squall/bin}
  extraPortMappings:
  - {containerPort: 0, hostPort: 70000, listenAddress: everywhere, protocol: QUIC}
  kubeadmConfigPatches:
  - "kind: Pod"
  - "{"
`)
	_, err := ReadAdditions(path)
	require.Error(t, err)
	for line, want := range map[string]string{
		":1: ":  "v1alpha3",
		":3: ":  `no "name" here; Squall sets it; allowed: kind, apiVersion, nodes`,
		":4: ":  "--feature-gate sets them",
		":6: ":  `role "master"; allowed: control-plane, worker`,
		":7: ":  `no "image" here`,
		":9: ":  `hostPath "/no/such/folder" is not there`,
		":10: ": `"/squall/bin" is Squall's own`,
		":12: ": "hostPort 70000",
		":14: ": `of kind "Pod"`,
		":15: ": "no YAML",
	} {
		assert.ErrorContains(t, err, path+line)
		assert.ErrorContains(t, err, want)
	}
	for _, want := range []string{`containerPath "data" is to be absolute`, `propagation "Some"`, "containerPort 0", `"everywhere" is no IP address`, `protocol "QUIC"`} {
		assert.ErrorContains(t, err, want)
	}
	for _, text := range []string{"", "nodes: 5", "- a", "{"} {
		_, err := ReadAdditions(writeAdditions(t, text))
		assert.Error(t, err, text)
	}
	_, err = ReadAdditions("/no/such/file")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

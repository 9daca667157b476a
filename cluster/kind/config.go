package kind

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"squall/cluster"
	"squall/cluster/settings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// Networks inside the cluster: those of pods and of Services, and of the latter
// the addresses of DNS and of the API; the first is the same as on embedded
// clusters.
const (
	podNetwork     = "10.244.0.0/16"
	serviceNetwork = "10.96.0.0/16"
	dnsServiceIP   = "10.96.0.10"
	apiServiceIP   = "10.96.0.1"
)

// mounts are what every node's container gets of the host, read-only: this
// program, its node's order, and what systemd is told.
func mounts(programs, folder, node string) []v1alpha4.Mount {
	mount := func(from, to string) v1alpha4.Mount {
		return v1alpha4.Mount{HostPath: from, ContainerPath: to, Readonly: true}
	}
	all := []v1alpha4.Mount{mount(programs, programsDir), mount(orderFile(folder, node), orderPath)}
	for _, d := range dropIns() {
		all = append(all, mount(programs+"/"+d.Name, d.Path))
	}
	return all
}

// making is what a cluster is made of.
type making struct {
	name, image, programs, folder string
	version                       string // of Kubernetes
	from                          string // the published image under the image, if any
	port                          int32  // of the API on the host's loopback
	nodes                         []cluster.Node
	settings                      settings.Settings
	plain                         bool // see [NewPlain]
	additions                     Additions
}

// config is what kind's library is told. Its own network plugin, which is an
// image that cannot be had offline, is left out, as is its DNS: both are ours.
func (m making) config() (*v1alpha4.Cluster, error) {
	c := &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Name:     m.name,
		Networking: v1alpha4.Networking{
			IPFamily: v1alpha4.IPv4Family, APIServerAddress: "127.0.0.1", APIServerPort: m.port,
			PodSubnet: podNetwork, ServiceSubnet: serviceNetwork,
			DisableDefaultCNI: true, KubeProxyMode: v1alpha4.NFTablesProxyMode,
		},
		// Without the capability for it no score can be set (see engine).
		ContainerdConfigPatches: []string{"[plugins.\"io.containerd.grpc.v1.cri\"]\n  restrict_oom_score_adj = true\n"},
	}
	var err error
	if c.KubeadmConfigPatches, err = m.patches(); err != nil {
		return nil, err
	}
	for _, n := range m.nodes {
		node := v1alpha4.Node{Role: v1alpha4.WorkerRole, Image: m.image, ExtraMounts: mounts(m.programs, m.folder, n.Name)}
		if n.ControlPlane {
			node.Role = v1alpha4.ControlPlaneRole
		}
		if node.KubeadmConfigPatches, err = naming(n.Name); err != nil {
			return nil, err
		}
		node.KubeadmConfigPatchesJSON6902 = m.kubeletFlags()
		c.Nodes = append(c.Nodes, node)
	}
	m.additions.add(c)
	return c, nil
}

// naming are patches that give a node the name that it has with every provider.
func naming(name string) ([]string, error) {
	var all []string
	for _, kind := range []string{"InitConfiguration", "JoinConfiguration"} {
		b, err := yaml.Marshal(map[string]any{"kind": kind, "nodeRegistration": map[string]any{"name": name}})
		if err != nil {
			return nil, err
		}
		all = append(all, string(b))
	}
	return all, nil
}

// argument is a flag as kubeadm's v1beta4 has it.
type argument struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// arguments are a component's flags: those that every cluster has, and what the
// settings say.
func (m making) arguments(component string, base map[string]string) []argument {
	all := m.settings.Over(component, base)
	args := []argument{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, argument{name, all[name]})
	}
	return args
}

// patches change kubeadm's configuration. A list in a patch takes the place of
// kind's own.
func (m making) patches() ([]string, error) {
	objects := m.tuned()
	if m.plain {
		objects = plainPatches()
	}
	var all []string
	for _, o := range objects {
		b, err := yaml.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("writing the cluster's configuration: %w", err)
		}
		all = append(all, string(b))
	}
	return all, nil
}

// tuned are the patches of a cluster that is up soon and follows its spec.
func (m making) tuned() []map[string]any {
	kubelet := map[string]any{
		"kind": "KubeletConfiguration", "failCgroupV1": false, "serializeImagePulls": false,
		"featureGates": gatesOf(m.settings.Gates["kubelet"]),
	}
	if m.settings.Fast {
		maps.Copy(kubelet, m.settings.Timers.Kubelet())
	}
	return []map[string]any{
		{
			"kind": "ClusterConfiguration", "apiVersion": kubeadmVersion, "dns": noDNS(),
			// A container that is killed loses nothing of what was written: the
			// host has it.
			"etcd": map[string]any{"local": map[string]any{"extraArgs": m.arguments("etcd",
				map[string]string{"unsafe-no-fsync": "true"})}},
			"apiServer": map[string]any{"extraArgs": m.arguments("kube-apiserver",
				map[string]string{"enable-aggregator-routing": "true"})},
			// With the default of 20 the default ServiceAccounts, and so the first
			// pods, are seconds late.
			"controllerManager": map[string]any{"extraArgs": m.arguments("kube-controller-manager",
				map[string]string{"kube-api-qps": "1000", "kube-api-burst": "2000"})},
			"scheduler": map[string]any{"extraArgs": m.arguments("kube-scheduler", nil)},
		},
		kubelet,
		{
			"kind": "KubeProxyConfiguration", "nftables": map[string]any{"minSyncPeriod": "10ms"},
			"conntrack":    hostsConntrack(),
			"featureGates": gatesOf(m.settings.Gates["kube-proxy"]),
		},
	}
}

// kubeadmVersion is the version of kubeadm's configuration that kind writes.
const kubeadmVersion = "kubeadm.k8s.io/v1beta4"

// noDNS has kubeadm leave CoreDNS out, which is applied as on every cluster.
func noDNS() map[string]any { return map[string]any{"disabled": true} }

// hostsConntrack has kube-proxy leave alone what is the host's and cannot be set
// from a container of less rights.
func hostsConntrack() map[string]any {
	return map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s", "tcpBeLiberal": false}
}

// gatesOf are feature gates as a configuration file has them.
func gatesOf(gates map[string]bool) map[string]any {
	all := map[string]any{}
	for name, on := range gates {
		all[name] = on
	}
	return all
}

// kubeletFlags add a scenario's flags to a kubelet's, which kind writes for each
// node.
func (m making) kubeletFlags() []v1alpha4.PatchJSON6902 {
	flags := m.settings.Flags["kubelet"]
	var operations []string
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		operations = append(operations, fmt.Sprintf(
			`{"op": "add", "path": "/nodeRegistration/kubeletExtraArgs/-", "value": {"name": %q, "value": %q}}`, name, flags[name]))
	}
	if len(operations) == 0 {
		return nil
	}
	var all []v1alpha4.PatchJSON6902
	for _, kind := range []string{"InitConfiguration", "JoinConfiguration"} {
		all = append(all, v1alpha4.PatchJSON6902{Group: "kubeadm.k8s.io", Version: "v1beta4", Kind: kind,
			Patch: "[" + strings.Join(operations, ",") + "]"})
	}
	return all
}

//go:build linux

package embedded

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where a node's configuration lives: on a tmpfs, gone with the node.
const (
	configDir        = "/run/squall"
	pkiDir           = configDir + "/pki"
	containerdConfig = configDir + "/containerd.toml"
	containerdSocket = "/run/containerd/containerd.sock"
	kubeletConfig    = configDir + "/kubelet.yaml"
	proxyConfig      = configDir + "/kube-proxy.yaml"
	resolvConf       = configDir + "/resolv.conf"
	cniConfigDir     = configDir + "/cni"
)

// kubeconfigPath is where the kubeconfig of a user lies.
func (m *machine) kubeconfigPath(user string) string {
	return filepath.Join(configDir, user+".kubeconfig")
}

// of returns the credentials that a node needs, and no others.
func (k pki) of(n nodeConfig) pki {
	if n.ControlPlane {
		return k
	}
	own := pki{"ca": {Cert: k["ca"].Cert}}
	for _, file := range []string{"kube-proxy", "node-services", "kubelet-client-" + n.Name, "kubelet-server-" + n.Name} {
		own[file] = k[file]
	}
	return own
}

// writeFiles writes the node's keys and the configuration of its programs.
func (m *machine) writeFiles() error {
	files := map[string]string{
		containerdConfig: m.containerdTOML(),
		kubeletConfig:    m.kubeletYAML(),
		proxyConfig:      m.proxyYAML(),
		// Nothing outside the cluster can be resolved: there is no outside.
		resolvConf: "nameserver " + bridgeAddress + "\n",
		filepath.Join(cniConfigDir, "10-squall.conflist"): fmt.Sprintf(cniJSON, m.Node.podNetwork()),
	}
	maps.Copy(files, registryFiles(m.Settings.Registries))
	for file, c := range m.PKI {
		files[filepath.Join(pkiDir, file+".crt")] = string(c.Cert)
		if len(c.Key) > 0 {
			files[filepath.Join(pkiDir, file+".key")] = string(c.Key)
		}
	}
	users := map[string]string{"kubelet": "kubelet-client-" + m.Node.Name, "kube-proxy": "kube-proxy", "node-services": "node-services"}
	if m.Node.ControlPlane {
		for _, u := range []string{"admin", "controller-manager", "scheduler"} {
			users[u] = u
		}
	}
	server := m.APIServer
	if m.Node.ControlPlane {
		server = apiURL(m.Node.address()) // as kubeadm has it, each asks its own
	}
	for user, file := range users {
		b, err := m.PKI.kubeconfig("squall", server, file)
		if err != nil {
			return err
		}
		files[m.kubeconfigPath(user)] = string(b)
	}
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// containerdTOML names the sandbox image that [systemImages] makes. What is
// disabled cannot work here or is not used.
const containerdTOML = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.blockfile", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "` + containerdSocket + `"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "` + pauseImage + `"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "` + registriesDir + `"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = %t
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["` + componentsDir + `/cni"]
  conf_dir = "` + cniConfigDir + `"
`

// cniJSON is the pod network: a veth pair a pod, addresses from the node's
// range, host ports.
const cniJSON = `{
  "cniVersion": "1.0.0", "name": "squall",
  "plugins": [
    {"type": "ptp", "ipMasq": false, "mtu": 1500,
     "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "%s"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// kubeletYAML leaves every timer at its default, unless the cluster's are fast.
func (m *machine) kubeletYAML() string {
	var taint string
	if m.Node.ControlPlane {
		taint = "registerWithTaints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]\n"
	}
	return strings.NewReplacer(
		"$PKI", pkiDir, "$NODE", m.Node.Name, "$SOCKET", containerdSocket, "$DNS", dnsServiceIP, "$RESOLV", resolvConf,
	).Replace(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$SOCKET
cgroupDriver: cgroupfs
cgroupRoot: /
failCgroupV1: false
failSwapOn: false
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet-server-$NODE.crt
tlsPrivateKeyFile: $PKI/kubelet-server-$NODE.key
clusterDomain: cluster.local
clusterDNS: [$DNS]
resolvConf: $RESOLV
# A node's disk is a share of the host's memory: its fill says nothing about the
# node. Memory is evicted for as anywhere.
mergeDefaultEvictionSettings: true
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%", imagefs.inodesFree: "0%"}
`) + taint + m.kubeletTimers()
}

// kubeletTimers are the lines of a kubelet's configuration that set its timers.
func (m *machine) kubeletTimers() string {
	var lines string
	if m.Settings.Fast {
		fields := m.Settings.Timers.Kubelet()
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			lines += fmt.Sprintf("%s: %v\n", name, fields[name])
		}
	}
	return lines
}

// proxyYAML configures kube-proxy. The conntrack settings are those of the
// host's first network namespace and cannot be set from another.
func (m *machine) proxyYAML() string {
	var gates []string
	for _, name := range slices.Sorted(maps.Keys(m.Settings.Gates[kubeProxy])) {
		gates = append(gates, fmt.Sprintf("%s: %t", name, m.Settings.Gates[kubeProxy][name]))
	}
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
hostnameOverride: %s
clientConnection: {kubeconfig: %s}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 10ms}
metricsBindAddress: 127.0.0.1:10249
oomScoreAdj: %d
featureGates: {%s}
`, podNetwork, m.Node.Name, m.kubeconfigPath("kube-proxy"), m.proxyScore(), strings.Join(gates, ", "))
}

//go:build linux

package embedded

import (
	"maps"
	"slices"
)

const kubeProxy = "kube-proxy"

// wiring names the flags of a component that hold a cluster together, which are
// those that Squall sets but for what is only a matter of speed.
func wiring(component string) map[string]bool {
	node := controlPlaneNode(1)
	m := &machine{nodeSetup: nodeSetup{Node: node, Peers: []nodeConfig{node}}}
	names := map[string]bool{}
	for name := range map[string]map[string]string{
		"etcd": m.etcdArgs(), "kube-apiserver": m.apiServerArgs(), "kubelet": m.kubeletArgs(),
		"kube-controller-manager": m.controllerManagerArgs(), "kube-scheduler": m.schedulerArgs(),
	}[component] {
		names[name] = true
	}
	for _, name := range []string{"kube-api-qps", "kube-api-burst", "leader-elect", "log-level", "enable-admission-plugins"} {
		delete(names, name)
	}
	return names
}

// arguments are a component's flags: what Squall sets, and over it the settings.
func (m *machine) arguments(component string, base map[string]string) []string {
	all := m.Settings.Over(component, base)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "--"+name+"="+all[name])
	}
	return args
}

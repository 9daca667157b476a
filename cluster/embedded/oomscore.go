//go:build linux

package embedded

import "fmt"

// containerdTOML is containerd's configuration on this node.
func (m *machine) containerdTOML() string { return fmt.Sprintf(containerdTOML, !m.SysResource) }

// proxyScore is the OOM score of kube-proxy: Kubernetes' own
// (pkg/kubelet/qos/policy.go, KubeProxyOOMScoreAdj) where it can be set.
func (m *machine) proxyScore() int {
	if m.SysResource {
		return -999
	}
	return 0
}

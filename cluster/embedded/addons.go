//go:build linux

package embedded

import (
	"context"
	"fmt"
	"slices"

	"squall/cluster/addons"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// addons are what every cluster has from the start: DNS, the rights that
// kubeadm would give to kube-proxy and to the API server, and what a node's own
// services need.
func (m *machine) addons() []addons.Object {
	// The kernel lets a mounted ext4 grow only for who has CAP_SYS_RESOURCE.
	expand := m.SysResource
	return slices.Concat(grants(),
		addons.DNS(addons.DNSOptions{Image: dnsImage, ServiceIP: dnsServiceIP, NodeSelector: onControlPlane()}),
		addons.NodeServices(m.Settings.Without, servicesUser, expand))
}

// hastenDNS has the kubelet see soon that DNS is ready.
func (m *machine) hastenDNS(ctx context.Context) {
	client, err := m.adminClient()
	if err != nil {
		return // it comes a second later
	}
	addons.HastenDNS(ctx, client)
}

// finish creates the late add-ons, which are not in prepared state, and reports
// when that fails.
func (m *machine) finish(ctx context.Context) {
	defer giveBack()
	if err := m.applyLate(ctx); err != nil {
		m.send(event{What: whatExited, Program: "late add-ons", Status: err.Error()})
	}
}

func (m *machine) applyLate(ctx context.Context) error {
	client, err := m.adminClient()
	if err != nil {
		return err
	}
	serving := m.PKI[metricsCertificate]
	return addons.Late(ctx, client, addons.LateOptions{
		Without: m.Settings.Without,
		Metrics: addons.MetricsOptions{
			Image: metricsImage, Cert: serving.Cert, Key: serving.Key, Timers: m.Settings.Timers,
			NodeSelector: onControlPlane(), KubeletAuthority: true,
		},
		Authority: m.PKI["ca"].Cert,
	})
}

// grants are the rights of the cluster's own users.
func grants() []addons.Object {
	bind := func(name, role, user string) addons.Object {
		return addons.Object{Path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", Object: &rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
		}}
	}
	return []addons.Object{
		bind("squall:kube-proxy", "system:node-proxier", "system:kube-proxy"),
		bind("squall:kubelet-api", "system:kubelet-api-admin", kubeletClientUser),
	}
}

// controlPlaneHost is a label that kubelets of control-plane nodes give
// themselves as they register. They may not give themselves the role's, and DNS
// need not wait until somebody else has.
const controlPlaneHost = "squall.dev/control-plane"

// onControlPlane selects control-plane nodes.
func onControlPlane() map[string]string { return map[string]string{controlPlaneHost: ""} }

// labelControlPlane gives the node its role's label, which a kubelet may not
// give itself.
func (m *machine) labelControlPlane(ctx context.Context) error {
	client, err := m.adminClient()
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:""}}}`, addons.ControlPlaneRole)
	if err := client.Patch(types.MergePatchType).AbsPath("/api/v1/nodes", m.Node.Name).Body(patch).Do(ctx).Error(); err != nil {
		return fmt.Errorf("labelling the node %s: %w", m.Node.Name, err)
	}
	return nil
}

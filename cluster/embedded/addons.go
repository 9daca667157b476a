//go:build linux

package embedded

import (
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// newRESTClient returns a client for any path of the API.
func newRESTClient(cfg *rest.Config) (*rest.RESTClient, error) {
	c := rest.CopyConfig(cfg)
	c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	return rest.UnversionedRESTClientFor(c)
}

// addon is an object that every cluster has, and where it is created.
type addon struct {
	path   string
	object runtime.Object
}

// addons are what every cluster has from the start: DNS, the rights that
// kubeadm would give to kube-proxy and to the API server, and what a node's own
// services need.
func (m *machine) addons() []addon {
	return slices.Concat(grants(), dns(), m.serviceAddons())
}

// applyAddons creates objects that are not there yet.
func applyAddons(ctx context.Context, client *rest.RESTClient, addons []addon) error {
	for _, a := range addons {
		err := client.Post().AbsPath(a.path).Body(a.object).Do(ctx).Error()
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating %T in %s: %w", a.object, a.path, err)
		}
	}
	return nil
}

const (
	rbacPath   = "/apis/rbac.authorization.k8s.io/v1"
	systemPath = "/namespaces/kube-system"
)

// grants are the rights of the cluster's own users.
func grants() []addon {
	bind := func(name, role, user string) addon {
		return addon{rbacPath + "/clusterrolebindings", &rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
		}}
	}
	return []addon{
		bind("squall:kube-proxy", "system:node-proxier", "system:kube-proxy"),
		bind("squall:kubelet-api", "system:kubelet-api-admin", kubeletClientUser),
	}
}

// controlPlaneHost is a label that kubelets of control-plane nodes give
// themselves as they register. They may not give themselves the role's, and DNS
// need not wait until somebody else has.
const controlPlaneHost = "squall.dev/control-plane"

// controlPlaneRole is the label and the taint of control-plane nodes.
const controlPlaneRole = "node-role.kubernetes.io/control-plane"

// labelControlPlane gives the node its role's label, which a kubelet may not
// give itself.
func (m *machine) labelControlPlane(ctx context.Context) error {
	client, err := m.adminClient()
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:""}}}`, controlPlaneRole)
	if err := client.Patch(types.MergePatchType).AbsPath("/api/v1/nodes", m.Node.Name).Body(patch).Do(ctx).Error(); err != nil {
		return fmt.Errorf("labelling the node %s: %w", m.Node.Name, err)
	}
	return nil
}

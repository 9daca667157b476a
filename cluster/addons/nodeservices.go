package addons

import (
	"squall/cluster"
	"squall/cluster/loadbalancer"
	"squall/cluster/policy"
	"squall/cluster/volumes"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NodeServices are the objects that the services of nodes need: the rights of
// the user as which they call the API, and the default StorageClass. Expand says
// that volumes can grow; where they cannot, the API refuses a larger request with
// a reason.
func NodeServices(without map[cluster.Part]bool, user string, expand bool) []Object {
	everywhere, system := serviceRules(without)
	all := serviceRights(user, everywhere, system)
	if !without[cluster.Storage] {
		class := volumes.StorageClass()
		class.AllowVolumeExpansion = &expand
		all = append(all,
			Object{"/apis/storage.k8s.io/v1/storageclasses", class},
			Object{"/apis/storage.k8s.io/v1/csidrivers", volumes.Driver()})
	}
	return all
}

// serviceRules are the rights that the services need, of the parts that are
// there. All nodes' services are one user, so workers have the load balancer's
// rights, too, which they do not use.
func serviceRules(without map[cluster.Part]bool) (everywhere, system []rbacv1.PolicyRule) {
	if !without[cluster.Policy] {
		everywhere = append(everywhere, policy.Rules()...)
	}
	if !without[cluster.Storage] {
		everywhere, system = append(everywhere, volumes.Rules()...), append(system, volumes.SystemRules()...)
	}
	if !without[cluster.LoadBalancers] {
		everywhere, system = append(everywhere, loadbalancer.Rules()...), append(system, loadbalancer.SystemRules()...)
	}
	return everywhere, system
}

// serviceRights gives the services' user rights in the whole cluster and rights
// in kube-system.
func serviceRights(user string, everywhere, system []rbacv1.PolicyRule) []Object {
	const name = "squall:node-services"
	kind := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}
	meta := metav1.ObjectMeta{Name: name}
	return []Object{
		{rbacPath + "/clusterroles", &rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: meta, Rules: everywhere}},
		{rbacPath + "/clusterrolebindings", &rbacv1.ClusterRoleBinding{TypeMeta: kind("ClusterRoleBinding"), ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}, Subjects: subjects}},
		{rbacPath + systemPath + "/roles", &rbacv1.Role{TypeMeta: kind("Role"), ObjectMeta: meta, Rules: system}},
		{rbacPath + systemPath + "/rolebindings", &rbacv1.RoleBinding{TypeMeta: kind("RoleBinding"), ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, Subjects: subjects}},
	}
}

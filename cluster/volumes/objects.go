package volumes

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Provisioner is the name by which classes choose this provisioner. The
	// scheduler looks for a CSIDriver of that name, which must be a DNS
	// subdomain; so it has no slash.
	Provisioner = "local.squall.dev"
	// ClassName is the name of the default class, the one that clusters made by
	// kind have, too.
	ClassName = "standard"
	// Namespace is where the nodes say how much they have left.
	Namespace = metav1.NamespaceSystem
)

// StorageClass is the default class.
func StorageClass() *storagev1.StorageClass {
	reclaim, expand := corev1.PersistentVolumeReclaimDelete, true
	binding := storagev1.VolumeBindingWaitForFirstConsumer
	return &storagev1.StorageClass{
		TypeMeta: metav1.TypeMeta{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass"},
		ObjectMeta: metav1.ObjectMeta{
			Name: ClassName,
			// k8s.io/kubernetes/pkg/apis/storage/util/helpers.go, IsDefaultStorageClassAnnotation
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:          Provisioner,
		ReclaimPolicy:        &reclaim,
		AllowVolumeExpansion: &expand,
		VolumeBindingMode:    &binding,
	}
}

// Driver is the object that makes the scheduler ask how much a node has left
// before it chooses it (hasEnoughCapacity in
// k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding/binder.go).
// It needs no driver behind it: volumes are of type local, so nobody calls one.
// Without it, pods would be sent to full nodes again and again.
func Driver() *storagev1.CSIDriver {
	yes, no := true, false
	return &storagev1.CSIDriver{
		TypeMeta:   metav1.TypeMeta{APIVersion: "storage.k8s.io/v1", Kind: "CSIDriver"},
		ObjectMeta: metav1.ObjectMeta{Name: Provisioner},
		Spec:       storagev1.CSIDriverSpec{StorageCapacity: &yes, AttachRequired: &no},
	}
}

// Rules are what the provisioners may do in the whole cluster.
func Rules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"persistentvolumes"}, Verbs: []string{"get", "list", "watch", "create", "patch", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims"}, Verbs: []string{"list", "watch", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
}

// SystemRules are what the provisioners may do in Namespace, and only there.
func SystemRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"csistoragecapacities"},
			Verbs: []string{"list", "watch", "create", "patch", "delete"}},
	}
}

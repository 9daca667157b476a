package volumes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The annotations through which scheduler, PersistentVolume controller and
// provisioners speak to each other. They are in
// k8s.io/component-helpers/storage/volume/pv_helpers.go.
const (
	askedProvisioner = "volume.kubernetes.io/storage-provisioner"
	selectedNode     = "volume.kubernetes.io/selected-node"
	provisionedBy    = "pv.kubernetes.io/provisioned-by"
)

// volumeName is the name of a claim's volume and of its disk. It is the one
// that sig-storage-lib-external-provisioner gives, so people know it.
func volumeName(claim types.UID) string {
	return "pvc-" + string(claim)
}

// claim gives a claim its volume when this node was chosen for it, and grows it
// when it has one.
func (p *provisioner) claim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.DeletionTimestamp != nil {
		return nil
	}
	if claim.Spec.VolumeName != "" {
		return p.grow(ctx, claim)
	}
	if claim.Annotations[askedProvisioner] != Provisioner || claim.Spec.StorageClassName == nil {
		return nil
	}
	if node := claim.Annotations[selectedNode]; node != "" && node != p.Node {
		return nil
	}
	class, ok := stored[*storagev1.StorageClass](p.classes, *claim.Spec.StorageClassName)
	if !ok {
		return fmt.Errorf("the claim %s/%s names the class %q, which does not exist", claim.Namespace, claim.Name, *claim.Spec.StorageClassName)
	}
	if class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		return p.refuseImmediate(ctx, claim, class)
	}
	name := volumeName(claim.UID)
	if _, done := stored[*corev1.PersistentVolume](p.volumes, name); done || claim.Annotations[selectedNode] != p.Node {
		return nil
	}
	if why := refusal(claim, class); why != "" {
		return p.giveBack(ctx, claim, why)
	}
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	path, err := p.Disks.Make(ctx, name, size.Value())
	if err != nil {
		return p.giveBack(ctx, claim, fmt.Sprintf("node %s: %v", p.Node, err))
	}
	_, err = p.Client.CoreV1().PersistentVolumes().Create(ctx, p.newVolume(claim, class, path), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // the store is a moment behind
	}
	if err != nil {
		return fmt.Errorf("creating the volume %s: %w", name, err)
	}
	p.Log.Info("volume made", "claim", claim.Namespace+"/"+claim.Name, "volume", name, "size", size.String())
	p.events.Eventf(claim, corev1.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume %s on node %s", name, p.Node)
	return nil
}

// refusal says why a claim can get no volume, on whatever node; empty when it
// can.
func refusal(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) string {
	for _, mode := range claim.Spec.AccessModes {
		if mode != corev1.ReadWriteOnce && mode != corev1.ReadWriteOncePod {
			return fmt.Sprintf("the claim asks for access mode %s, but volumes of class %q are local to one node; ask for ReadWriteOnce or ReadWriteOncePod", mode, class.Name)
		}
	}
	if mode := claim.Spec.VolumeMode; mode != nil && *mode != corev1.PersistentVolumeFilesystem {
		return fmt.Sprintf("the claim asks for volume mode %s, but volumes of class %q are folders; ask for Filesystem", *mode, class.Name)
	}
	if why := tooLarge(claim.Spec.Resources.Requests[corev1.ResourceStorage]); why != "" {
		return "the claim asks for " + why
	}
	if claim.Spec.Selector != nil {
		return fmt.Sprintf("the claim has a selector, but volumes of class %q are made for their claim and have no labels to select; leave spec.selector out", class.Name)
	}
	if claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil {
		return fmt.Sprintf("the claim has a data source, but volumes of class %q start empty; leave spec.dataSource out", class.Name)
	}
	if len(class.Parameters) > 0 {
		return fmt.Sprintf("the class %q has the parameters %s, but %s knows none", class.Name,
			strings.Join(slices.Sorted(maps.Keys(class.Parameters)), ", "), Provisioner)
	}
	return ""
}

// tooLarge says what is wrong with a size that is no number of bytes; empty when
// it is one. Value of such a quantity is of no use: it may be zero (AsInt64 in
// k8s.io/apimachinery/pkg/api/resource/quantity.go).
func tooLarge(size resource.Quantity) string {
	most := resource.NewQuantity(math.MaxInt64, resource.BinarySI)
	if size.Cmp(*most) <= 0 {
		return ""
	}
	return fmt.Sprintf("%s, more than any file system holds; ask for less", size.String())
}

// giveBack says why the claim has no volume and asks the scheduler to choose
// again, by taking its choice off the claim. The scheduler then says so on the
// pod, too; left as it is, it would wait for ten minutes without a word.
func (p *provisioner) giveBack(ctx context.Context, claim *corev1.PersistentVolumeClaim, why string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		// Only the choice that was seen is taken off, not a newer one.
		"resourceVersion": claim.ResourceVersion,
		"annotations":     map[string]any{selectedNode: nil},
	}})
	if err != nil {
		return err
	}
	_, err = p.Client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking the scheduler to choose another node for the claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	p.Log.Info("no volume made", "claim", claim.Namespace+"/"+claim.Name, "why", why)
	p.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", why)
	return nil
}

// refuseImmediate says why a class that does not wait for a pod gets no
// volumes. Every node sees such a claim, so the event has a name that they
// agree on, and one of them makes it.
func (p *provisioner) refuseImmediate(ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	now := metav1.Now()
	_, err := p.Client.CoreV1().Events(claim.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: volumeName(claim.UID) + ".immediate"},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
		},
		Type: corev1.EventTypeWarning, Reason: "ProvisioningFailed",
		Message: fmt.Sprintf("the class %q binds at once, but a local volume can be made only where its pod will run; give the class volumeBindingMode WaitForFirstConsumer", class.Name),
		Source:  corev1.EventSource{Component: Provisioner}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsForbidden(err) { // forbidden: the namespace is going
		return nil
	}
	return fmt.Errorf("saying why the claim %s/%s gets no volume: %w", claim.Namespace, claim.Name, err)
}

// newVolume is the object for a disk that was made for a claim.
func (p *provisioner) newVolume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, path string) *corev1.PersistentVolume {
	reclaim, mode := corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeFilesystem
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: volumeName(claim.UID), Annotations: map[string]string{provisionedBy: Provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: reclaim,
			StorageClassName:              class.Name,
			MountOptions:                  class.MountOptions,
			VolumeMode:                    &mode,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name,
				UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.Node},
				}},
			}}}},
		},
	}
}

package volumes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// publish tells the scheduler how much is left on this node, in one
// CSIStorageCapacity for each class. It writes only what has changed.
func (p *provisioner) publish(ctx context.Context) error {
	usage, err := p.Disks.Usage(ctx)
	if err != nil {
		return fmt.Errorf("asking how much is left: %w", err)
	}
	free := *resource.NewQuantity(max(usage.Free, 0), resource.BinarySI)
	missing := p.ours()
	var failed []error
	for _, object := range p.capacities.List() {
		said, ok := object.(*storagev1.CSIStorageCapacity)
		if !ok {
			continue
		}
		_, asked := missing[said.StorageClassName]
		delete(missing, said.StorageClassName)
		failed = append(failed, p.correct(ctx, said, asked, free))
	}
	for class := range missing {
		failed = append(failed, p.announce(ctx, class, free))
	}
	return errors.Join(failed...)
}

// correct brings an announcement up to date, or removes it when its class went.
func (p *provisioner) correct(ctx context.Context, said *storagev1.CSIStorageCapacity, asked bool, free resource.Quantity) error {
	api := p.Client.StorageV1().CSIStorageCapacities(Namespace)
	if !asked {
		err := api.Delete(ctx, said.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("removing the capacity of the class %q: %w", said.StorageClassName, err)
		}
		return nil
	}
	if said.Capacity != nil && said.Capacity.Cmp(free) == 0 {
		return nil
	}
	patch := fmt.Appendf(nil, `{"capacity":%q}`, free.String()) // a quantity's text needs no escaping
	_, err := api.Patch(ctx, said.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("updating the capacity of the class %q: %w", said.StorageClassName, err)
	}
	return nil
}

// announce makes the announcement for a class. The node owns it, so it goes
// when the node is removed; it comes when the node is there.
func (p *provisioner) announce(ctx context.Context, class string, free resource.Quantity) error {
	node, ok := stored[*corev1.Node](p.nodes, p.Node)
	if !ok {
		return nil
	}
	_, err := p.Client.StorageV1().CSIStorageCapacities(Namespace).Create(ctx, &storagev1.CSIStorageCapacity{
		ObjectMeta: metav1.ObjectMeta{
			Name:            announcementName(p.Node, class),
			Labels:          map[string]string{nodeLabel: p.Node},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}},
		},
		NodeTopology:     &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelHostname: p.Node}},
		StorageClassName: class,
		Capacity:         &free,
	}, metav1.CreateOptions{})
	// When it exists, the store is a moment behind, or it belongs to a node of
	// that name that was removed: then it goes, and the store says so.
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("announcing the capacity of the class %q: %w", class, err)
	}
	return nil
}

// announcementName is the same for each start, and as short as a name must be,
// however long those of class and node are.
func announcementName(node, class string) string {
	sum := sha256.Sum256([]byte(node + "/" + class))
	return "local-" + hex.EncodeToString(sum[:8])
}

package volumes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// volume removes a volume of this node that was released and is not to be kept.
// The disk goes first: when that fails, the object is still there to say so.
func (p *provisioner) volume(ctx context.Context, volume *corev1.PersistentVolume) error {
	if !p.holds(volume) {
		return nil
	}
	released := volume.DeletionTimestamp == nil && volume.Status.Phase == corev1.VolumeReleased &&
		volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
	if !released {
		return p.publish(ctx) // it is new, or has grown
	}
	if err := p.Disks.Remove(ctx, volume.Name); err != nil {
		p.events.Event(volume, corev1.EventTypeWarning, "VolumeFailedDelete", err.Error())
		return fmt.Errorf("removing the disk of the volume %s: %w", volume.Name, err)
	}
	err := p.Client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{
		Preconditions: metav1.NewUIDPreconditions(string(volume.UID)),
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the volume %s: %w", volume.Name, err)
	}
	p.Log.Info("volume removed", "volume", volume.Name)
	return nil
}

// holds tells whether a volume was made here.
func (p *provisioner) holds(volume *corev1.PersistentVolume) bool {
	affinity := volume.Spec.NodeAffinity
	if volume.Annotations[provisionedBy] != Provisioner || volume.Spec.Local == nil || affinity == nil || affinity.Required == nil {
		return false
	}
	for _, term := range affinity.Required.NodeSelectorTerms {
		for _, r := range term.MatchExpressions {
			if r.Key == corev1.LabelHostname && len(r.Values) == 1 && r.Values[0] == p.Node {
				return true
			}
		}
	}
	return false
}

// grow makes a claim's volume as large as the claim asks for by now. The
// kubelet does nothing for a folder (NodeExpand in
// k8s.io/kubernetes/pkg/volume/local/local.go), so it is done when the disk has
// grown, also while pods use it.
func (p *provisioner) grow(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	wanted, has := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
	volume, ok := stored[*corev1.PersistentVolume](p.volumes, claim.Spec.VolumeName)
	// A volume that was kept may have got a claim that it was not made for.
	bound := ok && claim.Status.Phase == corev1.ClaimBound && volume.Spec.ClaimRef != nil &&
		volume.Spec.ClaimRef.UID == claim.UID && p.holds(volume)
	if !bound || wanted.Cmp(has) <= 0 {
		return nil
	}
	if why := tooLarge(wanted); why != "" {
		p.events.Event(claim, corev1.EventTypeWarning, "VolumeResizeFailed", "the claim asks for "+why)
		return nil // it stays so until the claim changes
	}
	if _, err := p.Disks.Make(ctx, volume.Name, wanted.Value()); err != nil {
		p.events.Eventf(claim, corev1.EventTypeWarning, "VolumeResizeFailed", "node %s: %v", p.Node, err)
		return fmt.Errorf("growing the disk of the volume %s: %w", volume.Name, err)
	}
	if size := volume.Spec.Capacity[corev1.ResourceStorage]; size.Cmp(wanted) < 0 {
		_, err := p.Client.CoreV1().PersistentVolumes().Patch(ctx, volume.Name, types.MergePatchType, capacityPatch("spec", wanted), metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("saying that the volume %s has grown: %w", volume.Name, err)
		}
	}
	_, err := p.Client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(
		ctx, claim.Name, types.MergePatchType, capacityPatch("status", wanted), metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("saying that the volume of the claim %s/%s has grown: %w", claim.Namespace, claim.Name, err)
	}
	p.Log.Info("volume grown", "volume", volume.Name, "size", wanted.String())
	p.events.Eventf(claim, corev1.EventTypeNormal, "VolumeResizeSuccessful", "The volume has %s now", wanted.String())
	return nil
}

func capacityPatch(part string, size resource.Quantity) []byte {
	// A quantity's text needs no escaping.
	return fmt.Appendf(nil, `{%q:{"capacity":{"storage":%q}}}`, part, size.String())
}

// sweep removes the disks that neither a volume nor a claim needs: of those
// that were being made when the claim went or Run was killed, and of volumes
// whose object somebody deleted.
func (p *provisioner) sweep(ctx context.Context) error {
	usage, err := p.Disks.Usage(ctx)
	if err != nil {
		return fmt.Errorf("looking for disks that nobody needs: %w", err)
	}
	var failed []error
	for _, name := range usage.Names {
		if !p.needed(name) {
			failed = append(failed, p.discard(ctx, name))
		}
	}
	return errors.Join(failed...)
}

// discard removes a disk that nobody seems to need. The API has the last word:
// data is lost by this, and the store may be behind.
func (p *provisioner) discard(ctx context.Context, disk string) error {
	_, err := p.Client.CoreV1().PersistentVolumes().Get(ctx, disk, metav1.GetOptions{})
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("asking whether the disk %s is needed: %w", disk, err)
	}
	if err := p.Disks.Remove(ctx, disk); err != nil {
		return fmt.Errorf("removing the disk %s, which nobody needs: %w", disk, err)
	}
	p.Log.Info("removed a disk that nobody needs", "disk", disk)
	return nil
}

func (p *provisioner) needed(disk string) bool {
	if _, ok := stored[*corev1.PersistentVolume](p.volumes, disk); ok {
		return true
	}
	uid, _ := strings.CutPrefix(disk, volumeName(""))
	claims, _ := p.claims.ByIndex(byUID, uid) // the index is there
	return len(claims) > 0
}

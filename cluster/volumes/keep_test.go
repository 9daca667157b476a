package volumes_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/cluster/volumes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// release does what the controller manager does when a claim was deleted.
func (b *bench) release(name string) {
	claim := b.claim(name)
	require.NoError(b.t, b.api.CoreV1().PersistentVolumeClaims("app").Delete(b.t.Context(), name, metav1.DeleteOptions{}))
	v, err := b.api.CoreV1().PersistentVolumes().Get(b.t.Context(), "pvc-"+string(claim.UID), metav1.GetOptions{})
	require.NoError(b.t, err)
	v.Status.Phase = corev1.VolumeReleased
	_, err = b.api.CoreV1().PersistentVolumes().UpdateStatus(b.t.Context(), v, metav1.UpdateOptions{})
	require.NoError(b.t, err)
}

func TestReleasedVolumeGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		b.start()
		require.Len(t, b.volumes(), 1)
		b.release("data")
		b.rest(time.Second)
		assert.Empty(t, b.volumes())
		assert.Empty(t, b.disks.sizes)
	})
}

func TestRetainedVolumeStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, retain := volumes.StorageClass(), corev1.PersistentVolumeReclaimRetain
		class.Name, class.ReclaimPolicy = "keep", &retain
		b := newBench(t, newPaperDisks(10*page), class, newClaim("data", func(c *corev1.PersistentVolumeClaim) {
			c.Spec.StorageClassName = &class.Name
		}))
		b.start()
		b.release("data")
		b.rest(time.Hour)
		require.Len(t, b.volumes(), 1)
		assert.Equal(t, int64(2*page), b.disks.size("pvc-uid-data"))

		require.NoError(t, b.api.CoreV1().PersistentVolumes().Delete(t.Context(), "pvc-uid-data", metav1.DeleteOptions{}))
		b.rest(time.Second)
		assert.Empty(t, b.disks.sizes, "its object is gone, so nobody can get at it any more")
	})
}

// TestDiskThatCannotBeRemoved: the volume stays and says why, until it can.
func TestDiskThatCannotBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		b.start()
		b.disks.stick(errors.New("device is busy"))
		b.release("data")
		b.rest(time.Hour)
		require.Len(t, b.volumes(), 1)
		assert.Contains(t, b.events("pvc-uid-data")[0], "VolumeFailedDelete: device is busy")
		assert.InDelta(t, 60, b.disks.stick(nil), 20, "it was tried again about once a minute")

		b.rest(2 * time.Minute)
		assert.Empty(t, b.volumes())
		assert.Empty(t, b.disks.sizes)
	})
}

func TestAnotherNodesVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		b.start()
		v := b.volumes()[0]
		v.Name, v.ResourceVersion, v.Status.Phase = "other", "", corev1.VolumeReleased
		v.Spec.NodeAffinity = v.Spec.NodeAffinity.DeepCopy()
		v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{"worker-2"}
		_, err := b.api.CoreV1().PersistentVolumes().Create(t.Context(), &v, metav1.CreateOptions{})
		require.NoError(t, err)
		b.rest(time.Minute)
		assert.Len(t, b.volumes(), 2)
	})
}

func TestGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		b.start()
		c := b.claim("data")
		c.Spec.VolumeName, c.Status.Phase = "pvc-uid-data", corev1.ClaimBound
		c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("8Ki")}
		ask := func(size string) {
			c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse(size)
			_, err := b.api.CoreV1().PersistentVolumeClaims("app").Update(t.Context(), c, metav1.UpdateOptions{})
			require.NoError(t, err)
			b.rest(time.Second)
		}
		ask("16Ki")
		assert.Equal(t, int64(4*page), b.disks.size("pvc-uid-data"))
		assert.Equal(t, "16Ki", b.volumes()[0].Spec.Capacity.Storage().String())
		assert.Equal(t, "16Ki", b.claim("data").Status.Capacity.Storage().String())
		assert.Contains(t, b.events("data"), "VolumeResizeSuccessful: The volume has 16Ki now")

		c = b.claim("data")
		ask("1Mi")
		assert.Equal(t, int64(4*page), b.disks.size("pvc-uid-data"))
		assert.Equal(t, "16Ki", b.claim("data").Status.Capacity.Storage().String())
		assert.Contains(t, b.events("data"), "VolumeResizeFailed: node worker-1: not enough space: 40960 left")

		c = b.claim("data")
		ask("100E")
		assert.Equal(t, "16Ki", b.claim("data").Status.Capacity.Storage().String())
		assert.Contains(t, b.events("data"), "VolumeResizeFailed: the claim asks for 100E, more than any file system holds; ask for less")
	})
}

// capacities says what is announced, by class.
func (b *bench) capacities() map[string]string {
	list, err := b.api.StorageV1().CSIStorageCapacities(volumes.Namespace).List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	said := map[string]string{}
	for _, c := range list.Items {
		require.Equal(b.t, map[string]string{"kubernetes.io/hostname": "worker-1"}, c.NodeTopology.MatchLabels)
		require.Equal(b.t, "node-uid", string(c.OwnerReferences[0].UID))
		require.NotContains(b.t, said, c.StorageClassName)
		said[c.StorageClassName] = c.Capacity.String()
	}
	return said
}

func TestAnnouncesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page))
		other, foreign := volumes.StorageClass(), volumes.StorageClass()
		other.Name, foreign.Name, foreign.Provisioner = "other", "foreign", "x.io"
		b.start()
		assert.Equal(t, map[string]string{"standard": "40Ki"}, b.capacities())

		classes := b.api.StorageV1().StorageClasses()
		_, err := classes.Create(t.Context(), other, metav1.CreateOptions{})
		require.NoError(t, err)
		_, err = classes.Create(t.Context(), foreign, metav1.CreateOptions{})
		require.NoError(t, err)
		_, err = b.api.CoreV1().PersistentVolumeClaims("app").Create(t.Context(), newClaim("data"), metav1.CreateOptions{})
		require.NoError(t, err)
		b.rest(time.Second)
		assert.Equal(t, map[string]string{"standard": "32Ki", "other": "32Ki"}, b.capacities())

		require.NoError(t, classes.Delete(t.Context(), "other", metav1.DeleteOptions{}))
		b.release("data")
		b.rest(time.Second)
		assert.Equal(t, map[string]string{"standard": "40Ki"}, b.capacities())
	})
}

// TestIdle: nothing is asked of the API when nothing happens.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		b.start()
		b.rest(time.Minute)
		before := len(b.api.Actions())
		b.rest(24 * time.Hour)
		assert.Len(t, b.api.Actions(), before)
	})
}

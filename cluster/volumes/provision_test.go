package volumes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/cluster/volumes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// bench is a provisioner of worker-1 with a kept-in-memory API, to be used in a
// synctest bubble.
type bench struct {
	t     *testing.T
	api   *fake.Clientset
	disks *paperDisks
}

func newBench(t *testing.T, disks *paperDisks, objects ...runtime.Object) *bench {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1", UID: "node-uid"}}
	return &bench{t: t, api: fake.NewClientset(append(objects, volumes.StorageClass(), node)...), disks: disks}
}

// start runs the provisioner until the test ends and waits until it rests.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- volumes.Run(ctx, volumes.Options{Client: b.api, Node: "worker-1", Disks: b.disks})
	}()
	b.t.Cleanup(func() {
		cancel()
		require.NoError(b.t, <-done)
	})
	b.rest(time.Second)
}

// rest lets time pass and waits until nothing is done any more.
func (b *bench) rest(d time.Duration) {
	time.Sleep(d) // in the bubble
	synctest.Wait()
}

func (b *bench) claim(name string) *corev1.PersistentVolumeClaim {
	c, err := b.api.CoreV1().PersistentVolumeClaims("app").Get(b.t.Context(), name, metav1.GetOptions{})
	require.NoError(b.t, err)
	return c
}

func (b *bench) volumes() []corev1.PersistentVolume {
	list, err := b.api.CoreV1().PersistentVolumes().List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	return list.Items
}

// events are what was said about a claim or a volume, reason first.
func (b *bench) events(object string) []string {
	list, err := b.api.CoreV1().Events("").List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	var said []string
	for _, e := range list.Items {
		if e.InvolvedObject.Name == object {
			said = append(said, e.Reason+": "+e.Message)
		}
	}
	return said
}

// newClaim is a claim for which the scheduler has chosen worker-1.
func newClaim(name string, changes ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	class := volumes.ClassName
	c := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "7", Annotations: map[string]string{
			"volume.kubernetes.io/storage-provisioner": volumes.Provisioner,
			"volume.kubernetes.io/selected-node":       "worker-1",
		}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("8Ki")}},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

func TestProvision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		b.start()
		made := b.volumes()
		require.Len(t, made, 1)
		v := made[0]
		assert.Equal(t, "pvc-uid-data", v.Name)
		assert.Equal(t, map[string]string{"pv.kubernetes.io/provisioned-by": volumes.Provisioner}, v.Annotations)
		assert.Equal(t, "/disks/pvc-uid-data", v.Spec.Local.Path)
		assert.Equal(t, "8Ki", v.Spec.Capacity.Storage().String())
		assert.Equal(t, corev1.PersistentVolumeReclaimDelete, v.Spec.PersistentVolumeReclaimPolicy)
		assert.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, v.Spec.AccessModes)
		assert.Equal(t, volumes.ClassName, v.Spec.StorageClassName)
		assert.Equal(t, types.UID("uid-data"), v.Spec.ClaimRef.UID)
		assert.Equal(t, []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/hostname", Operator: "In", Values: []string{"worker-1"}}},
			v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions)
		assert.Equal(t, int64(2*page), b.disks.size(v.Name))
		assert.Equal(t, []string{"ProvisioningSucceeded: Successfully provisioned volume pvc-uid-data on node worker-1"}, b.events("data"))
	})
}

func TestLeavesAlone(t *testing.T) {
	for name, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"another node's": func(c *corev1.PersistentVolumeClaim) {
			c.Annotations["volume.kubernetes.io/selected-node"] = "worker-2"
		},
		"not scheduled yet": func(c *corev1.PersistentVolumeClaim) { delete(c.Annotations, "volume.kubernetes.io/selected-node") },
		"another provisioner's": func(c *corev1.PersistentVolumeClaim) {
			c.Annotations["volume.kubernetes.io/storage-provisioner"] = "x.io"
		},
		"bound elsewhere": func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "mine" },
		"going":           func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, newPaperDisks(10*page), newClaim("data", change))
				b.start()
				assert.Empty(t, b.volumes())
				assert.Empty(t, b.disks.sizes)
				assert.Empty(t, b.events("data"))
			})
		})
	}
}

// TestRefuses: what can get no volume is told why, and the scheduler is told to
// choose again.
func TestRefuses(t *testing.T) {
	block, yes := corev1.PersistentVolumeBlock, "yes"
	for name, c := range map[string]struct {
		change func(*corev1.PersistentVolumeClaim)
		says   string
	}{
		"ReadWriteMany": {func(c *corev1.PersistentVolumeClaim) {
			c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		}, `ProvisioningFailed: the claim asks for access mode ReadWriteMany, but volumes of class "standard" are local to one node; ask for ReadWriteOnce or ReadWriteOncePod`},
		"ReadOnlyMany": {func(c *corev1.PersistentVolumeClaim) {
			c.Spec.AccessModes = append(c.Spec.AccessModes, corev1.ReadOnlyMany)
		}, `ProvisioningFailed: the claim asks for access mode ReadOnlyMany, but volumes of class "standard" are local to one node; ask for ReadWriteOnce or ReadWriteOncePod`},
		"Block": {func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeMode = &block },
			`ProvisioningFailed: the claim asks for volume mode Block, but volumes of class "standard" are folders; ask for Filesystem`},
		"selector": {func(c *corev1.PersistentVolumeClaim) { c.Spec.Selector = &metav1.LabelSelector{} },
			`ProvisioningFailed: the claim has a selector, but volumes of class "standard" are made for their claim and have no labels to select; leave spec.selector out`},
		"data source": {func(c *corev1.PersistentVolumeClaim) {
			c.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "other"}
		}, `ProvisioningFailed: the claim has a data source, but volumes of class "standard" start empty; leave spec.dataSource out`},
		"parameters": {func(c *corev1.PersistentVolumeClaim) { fast := "fast"; c.Spec.StorageClassName = &fast },
			`ProvisioningFailed: the class "fast" has the parameters iops, tier, but local.squall.dev knows none`},
		"10E":  {asks("10E"), "ProvisioningFailed: the claim asks for 10E, more than any file system holds; ask for less"},
		"100E": {asks("100E"), "ProvisioningFailed: the claim asks for 100E, more than any file system holds; ask for less"},
		"too large": {func(c *corev1.PersistentVolumeClaim) {
			c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("1Mi")
		}, `ProvisioningFailed: node worker-1: not enough space: 40960 left`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fast := volumes.StorageClass()
				fast.Name, fast.Parameters = "fast", map[string]string{"tier": yes, "iops": "9"}
				b := newBench(t, newPaperDisks(10*page), newClaim("data", c.change), fast)
				b.start()
				assert.Equal(t, []string{c.says}, b.events("data"))
				assert.NotContains(t, b.claim("data").Annotations, "volume.kubernetes.io/selected-node")
				assert.Contains(t, b.claim("data").Annotations, "volume.kubernetes.io/storage-provisioner")
				assert.Empty(t, b.volumes())
				assert.Empty(t, b.disks.sizes)
			})
		})
	}
}

// asks makes a claim ask for a size.
func asks(size string) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) {
		c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse(size)
	}
}

func TestRefusesImmediateOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, immediate := volumes.StorageClass(), storagev1.VolumeBindingImmediate
		class.Name, class.VolumeBindingMode = "now", &immediate
		b := newBench(t, newPaperDisks(10*page), class, newClaim("data", func(c *corev1.PersistentVolumeClaim) {
			c.Spec.StorageClassName = &class.Name
			delete(c.Annotations, "volume.kubernetes.io/selected-node")
		}))
		b.start()
		b.start() // as another node would
		assert.Equal(t, []string{`ProvisioningFailed: the class "now" binds at once, but a local volume can be made only where its pod will run; give the class volumeBindingMode WaitForFirstConsumer`}, b.events("data"))
		assert.Empty(t, b.volumes())
	})
}

// TestKilledHalfWay: the disk is there, its volume is not.
func TestKilledHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disks := newPaperDisks(10*page, "pvc-uid-data", "pvc-gone", "pvc-retained", "junk")
		kept := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-retained"}}
		b := newBench(t, disks, newClaim("data"), kept)
		b.start()
		usage, err := disks.Usage(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"pvc-retained", "pvc-uid-data"}, usage.Names, "nobody needs the others")
		assert.Len(t, b.volumes(), 2, "what was begun is done")
	})
}

// TestStoreIsBehind: a volume that the API has and the store has not keeps its
// disk.
func TestStoreIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-kept"}}
		b := newBench(t, newPaperDisks(10*page, "pvc-kept", "pvc-gone"), kept)
		b.api.PrependReactor("list", "persistentvolumes", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, &corev1.PersistentVolumeList{}, nil
		})
		b.start()
		assert.Equal(t, int64(page), b.disks.size("pvc-kept"))
		assert.Zero(t, b.disks.size("pvc-gone"))
	})
}

func TestRetriesWhatTheAPIRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newPaperDisks(10*page), newClaim("data"))
		failures := 5
		b.api.PrependReactor("create", "persistentvolumes", func(clienttesting.Action) (bool, runtime.Object, error) {
			failures--
			return failures >= 0, nil, errors.New("etcd is away")
		})
		b.start()
		b.rest(10 * time.Second)
		assert.Len(t, b.volumes(), 1)
		assert.Equal(t, -1, failures)
	})
}

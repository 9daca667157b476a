//go:build linux

package volumes_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/cluster/volumes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The test program is also every part of the cluster that TestCluster makes.
func TestMain(m *testing.M) {
	if code, handled := embedded.Main(os.Args); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// control is a real control plane with two nodes on paper, which no kubelet
// stands for: small has room for four pages, large for twenty. Each has a
// provisioner that may do what the rules say and no more.
type control struct {
	t     *testing.T
	admin kubernetes.Interface
	disks map[string]*paperDisks
}

// TestCluster proves what a clientset in memory cannot: that the scheduler, the
// controller manager and the API server's validation and authorisation go along.
func TestCluster(t *testing.T) {
	c := newControl(t)
	t.Run("goes where there is room, grows, goes", c.testLife)
	t.Run("room nowhere", c.testNoRoom)
	t.Run("refused", c.testRefused)
	t.Run("a removed node announces nothing", c.testNodeRemoved)
}

func newControl(t *testing.T) *control {
	cache := os.Getenv("SQUALL_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		require.NoError(t, err)
		cache = filepath.Join(dir, "squall")
	}
	p := embedded.New(cache)
	made, err := p.Create(t.Context(), cluster.Spec{
		Name: "volumes-test", Workers: 1, NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("1Gi"),
		Without: cluster.Parts(),
	}, func(s string) { t.Log(s) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Remove(context.Background(), "volumes-test")) })
	kubeconfig, err := made.Kubeconfig()
	require.NoError(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	require.NoError(t, err)
	admin, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	c := &control{t: t, admin: admin, disks: map[string]*paperDisks{}}
	c.grant()
	_, err = admin.StorageV1().CSIDrivers().Create(t.Context(), volumes.Driver(), metav1.CreateOptions{})
	c.isThere(err)
	_, err = admin.StorageV1().StorageClasses().Create(t.Context(), volumes.StorageClass(), metav1.CreateOptions{})
	c.isThere(err)
	c.addNode(config, "small", 4*page)
	c.addNode(config, "large", 20*page)
	return c
}

func (c *control) isThere(err error) {
	if err != nil && !apierrors.IsAlreadyExists(err) {
		require.NoError(c.t, err)
	}
}

// grant gives a user what the rules say.
func (c *control) grant() {
	user := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "provisioner"}}
	name := metav1.ObjectMeta{Name: "test-provisioner"}
	ctx, r := c.t.Context(), c.admin.RbacV1()
	_, err := r.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: volumes.Rules()}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	_, err = r.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: name, Subjects: user,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	_, err = r.Roles(volumes.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: name, Rules: volumes.SystemRules()}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	_, err = r.RoleBindings(volumes.Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: name, Subjects: user,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name.Name}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
}

// addNode registers a node and runs its provisioner until the test ends.
func (c *control) addNode(config *rest.Config, name string, capacity int64) {
	t := c.t
	_, err := c.admin.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name, "paper": "yes"}},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("8Gi"), "pods": resource.MustParse("100")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	limited := rest.CopyConfig(config)
	limited.Impersonate = rest.ImpersonationConfig{UserName: "provisioner"}
	client, err := kubernetes.NewForConfig(limited)
	require.NoError(t, err)
	disks := newPaperDisks(capacity)
	c.disks[name] = disks
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- volumes.Run(ctx, volumes.Options{Client: client, Node: name, Disks: disks}) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// eventually waits until seen is right; it says what it last saw otherwise.
func eventually(t *testing.T, what string, see func() string, right func(string) bool) {
	t.Helper()
	last := ""
	if !assert.Eventually(t, func() bool { last = see(); return right(last) }, 30*time.Second, 100*time.Millisecond) {
		t.Fatalf("%s: last seen: %s", what, last)
	}
}

func is(want string) func(string) bool { return func(s string) bool { return s == want } }

func has(part string) func(string) bool {
	return func(s string) bool { return strings.Contains(s, part) }
}

// user makes a claim and a pod that uses it, both of one name.
func (c *control) user(t *testing.T, name, size string, mode corev1.PersistentVolumeAccessMode) {
	claim := newClaim(name)
	claim.ObjectMeta = metav1.ObjectMeta{Name: name}
	claim.Spec.StorageClassName = nil // the default class
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{mode}
	claim.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse(size)
	_, err := c.admin.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = c.admin.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"paper": "yes"},
			Tolerations:  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers:   []corev1.Container{{Name: "c", Image: "none"}},
			Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
			}}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// remove removes both again.
func (c *control) remove(t *testing.T, name string) {
	now := int64(0)
	require.NoError(t, c.admin.CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &now}))
	require.NoError(t, c.admin.CoreV1().PersistentVolumeClaims("default").Delete(t.Context(), name, metav1.DeleteOptions{}))
}

// claim says how a claim is.
func (c *control) claim(t *testing.T, name string) func() string {
	return func() string {
		claim, err := c.admin.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s %s", claim.Status.Phase, claim.Status.Capacity.Storage())
	}
}

// said is what was said about a claim or a pod.
func (c *control) said(t *testing.T, kind, name string) func() string {
	return func() string {
		list, err := c.admin.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{
			FieldSelector: "involvedObject.kind=" + kind + ",involvedObject.name=" + name,
		})
		if err != nil {
			return err.Error()
		}
		var said []string
		for _, e := range list.Items {
			said = append(said, e.Reason+": "+e.Message)
		}
		return strings.Join(said, "\n")
	}
}

func (c *control) testLife(t *testing.T) {
	c.user(t, "data", "24Ki", corev1.ReadWriteOnce)
	eventually(t, "bound", c.claim(t, "data"), is("Bound 24Ki"))
	pod, err := c.admin.CoreV1().Pods("default").Get(t.Context(), "data", metav1.GetOptions{})
	require.NoError(t, err)
	claim, err := c.admin.CoreV1().PersistentVolumeClaims("default").Get(t.Context(), "data", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "large", claim.Annotations["volume.kubernetes.io/selected-node"], "the one with room for it")
	assert.NotContains(t, c.said(t, "PersistentVolumeClaim", "data")(), "ProvisioningFailed")
	assert.Contains(t, []string{"", "large"}, pod.Spec.NodeName)
	disk := claim.Spec.VolumeName
	assert.Equal(t, int64(6*page), c.disks["large"].size(disk))

	patch := []byte(`{"spec":{"resources":{"requests":{"storage":"40Ki"}}}}`)
	_, err = c.admin.CoreV1().PersistentVolumeClaims("default").Patch(t.Context(), "data", types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	eventually(t, "grown", c.claim(t, "data"), is("Bound 40Ki"))
	assert.Equal(t, int64(10*page), c.disks["large"].size(disk))
	eventually(t, "what is left is announced", c.announced(t), is("large:40Ki small:16Ki"))

	c.remove(t, "data")
	eventually(t, "the volume is gone", func() string {
		_, err := c.admin.CoreV1().PersistentVolumes().Get(t.Context(), disk, metav1.GetOptions{})
		return fmt.Sprint(apierrors.IsNotFound(err))
	}, is("true"))
	assert.Zero(t, c.disks["large"].size(disk))
	eventually(t, "what is left is announced", c.announced(t), is("large:80Ki small:16Ki"))
}

// announced says what the nodes on paper have left.
func (c *control) announced(t *testing.T) func() string {
	return func() string {
		list, err := c.admin.StorageV1().CSIStorageCapacities(volumes.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		left := map[string]storagev1.CSIStorageCapacity{}
		for _, s := range list.Items {
			left[s.Labels["squall.dev/node"]] = s
		}
		var said []string
		for _, node := range []string{"large", "small"} {
			if s, ok := left[node]; ok {
				said = append(said, node+":"+s.Capacity.String())
			}
		}
		return strings.Join(said, " ")
	}
}

func (c *control) testNoRoom(t *testing.T) {
	c.user(t, "huge", "1Mi", corev1.ReadWriteOnce)
	eventually(t, "the pod says why", c.said(t, "Pod", "huge"), has("2 node(s) did not have enough free storage"))
	c.remove(t, "huge")
}

func (c *control) testRefused(t *testing.T) {
	c.user(t, "many", "4Ki", corev1.ReadWriteMany)
	eventually(t, "the claim says why", c.said(t, "PersistentVolumeClaim", "many"), has("ask for ReadWriteOnce"))
	eventually(t, "the pod says why", c.said(t, "Pod", "many"), has(`provisioning failed for PVC "many"`))
	assert.Equal(t, "Pending 0", c.claim(t, "many")())
	c.remove(t, "many")
}

func (c *control) testNodeRemoved(t *testing.T) {
	require.NoError(t, c.admin.CoreV1().Nodes().Delete(t.Context(), "small", metav1.DeleteOptions{}))
	eventually(t, "its announcement goes", c.announced(t), is("large:80Ki"))
}

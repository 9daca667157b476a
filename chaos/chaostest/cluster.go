package chaostest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"squall/chaos"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// Cluster is a cluster in memory: client-go's fake clientset with pods in it,
// and an observer that sees what becomes of them. It stands in for a real one
// where the logic of a fault is tested; that a fault bites for real is tested
// by scenarios/run on real Kubernetes.
type Cluster struct {
	// GoneAfter and DeadAfter are how long after its deletion a pod vanishes
	// from the observer's watch and from its node; change them before the
	// first use. Negative: never.
	GoneAfter, DeadAfter time.Duration
	// SilentAfter is how long after it was switched off a node gives no sign of
	// life, BackAfter how long after it was switched on it is back. Negative:
	// never.
	SilentAfter, BackAfter time.Duration

	client  *fake.Clientset
	victims []chaos.Victim
	begun   time.Time

	mu    sync.Mutex // guards what follows
	pods  map[types.UID]*podLife
	nodes map[string]*nodeLife
	acts  []string
}

// podLife is what the observer knows of one pod.
type podLife struct {
	processes int
	gone      chan struct{} // closed when the watch has seen it deleted
}

// NewCluster makes a cluster with n running pods of the role "catalog", two
// processes each, spread over the nodes w1 and w2, which are on.
func NewCluster(n int) *Cluster {
	c := &Cluster{
		GoneAfter: 120 * time.Millisecond,
		DeadAfter: 350 * time.Millisecond,

		SilentAfter: 40 * time.Millisecond,
		BackAfter:   700 * time.Millisecond,

		begun: time.Now(),
		pods:  map[types.UID]*podLife{},
		nodes: map[string]*nodeLife{},
	}
	objects := c.makeNodes()
	for i := range n {
		v := chaos.Victim{Role: "catalog", Ordinal: i, Namespace: "squall", Pod: fmt.Sprintf("catalog-%d", i),
			UID: fmt.Sprintf("c0ffee00-0000-4000-8000-%012d", i), Node: fmt.Sprintf("w%d", i%2+1)}
		c.victims = append(c.victims, v)
		c.pods[types.UID(v.UID)] = &podLife{processes: 2, gone: make(chan struct{})}
		objects = append(objects, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: v.Pod, UID: types.UID(v.UID)},
			Spec:       corev1.PodSpec{NodeName: v.Node},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		})
	}
	c.client = fake.NewClientset(objects...)
	c.client.PrependReactor("delete", "pods", c.deleting)
	return c
}

// Env is the cluster as faults see it.
func (c *Cluster) Env() chaos.Env { return chaos.Env{Client: c.client, Nodes: c, Observer: c} }

// Victims are all pods that the cluster began with.
func (c *Cluster) Victims() []chaos.Victim { return append([]chaos.Victim(nil), c.victims...) }

// Deleted are the options of every deletion that was asked for, in the order
// in which they arrived.
func (c *Cluster) Deleted() []metav1.DeleteOptions {
	var list []metav1.DeleteOptions
	for _, action := range c.client.Actions() {
		if deletion, ok := action.(clienttesting.DeleteActionImpl); ok {
			list = append(list, deletion.DeleteOptions)
		}
	}
	return list
}

// deleting does what the fake clientset leaves out: the API's check of
// preconditions, and the kubelet that ends the pod.
func (c *Cluster) deleting(action clienttesting.Action) (bool, runtime.Object, error) {
	deletion := action.(clienttesting.DeleteActionImpl)
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	found, err := c.client.Tracker().Get(pods, deletion.Namespace, deletion.Name)
	if err != nil {
		return true, nil, err
	}
	uid := found.(*corev1.Pod).UID
	if want := deletion.DeleteOptions.Preconditions; want != nil && want.UID != nil && *want.UID != uid {
		return true, nil, apierrors.NewConflict(pods.GroupResource(), deletion.Name,
			fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s)", *want.UID, uid))
	}
	c.mu.Lock()
	pod := c.pods[uid]
	c.mu.Unlock()
	if c.GoneAfter >= 0 {
		time.AfterFunc(c.GoneAfter, func() { close(pod.gone) })
	}
	if c.DeadAfter >= 0 {
		time.AfterFunc(c.DeadAfter, func() { c.setProcesses(pod, 0) })
	}
	return false, nil, nil // the clientset removes the object
}

func (c *Cluster) setProcesses(pod *podLife, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pod.processes = n
}

// WaitPodGone implements [chaos.Observer]; the run's clock is the cluster's
// age.
func (c *Cluster) WaitPodGone(ctx context.Context, uid string) (time.Duration, error) {
	c.mu.Lock()
	pod := c.pods[types.UID(uid)]
	c.mu.Unlock()
	if pod == nil {
		<-ctx.Done()
		return 0, fmt.Errorf("the watch has never seen a pod with UID %s: %w", uid, ctx.Err())
	}
	select {
	case <-pod.gone:
		return time.Since(c.begun), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("last seen Running: %w", ctx.Err())
	}
}

// PodProcesses implements [chaos.Observer].
func (c *Cluster) PodProcesses(_ context.Context, _, uid string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pod := c.pods[types.UID(uid)]; pod != nil {
		return pod.processes, nil
	}
	return 0, nil
}

package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// evictEvery is the time between two rounds of evictions on a node. What a
// disruption budget holds up is asked for again, as nothing tells when it may go.
const evictEvery = time.Second

// empty evicts the pods of a node until none is left or ctx ends, and notes what
// became of them.
func (d *drain) empty(ctx context.Context, node string) {
	begun := time.Now()
	for {
		left, err := d.round(ctx, node)
		switch {
		case ctx.Err() != nil: // what was last heard counts
			return
		case err != nil:
			d.heard(node, "not drained: "+err.Error())
		case len(left) == 0:
			d.heard(node, "drained after "+time.Since(begun).Round(10*time.Millisecond).String())
			return
		default:
			d.heard(node, "not drained: "+strings.Join(left, "; "))
		}
		timer := time.NewTimer(evictEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (d *drain) heard(node, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.became[node] = what
}

// round asks once for each pod that is to go, and says which are left and why.
func (d *drain) round(ctx context.Context, node string) (left []string, err error) {
	pods, err := d.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String(),
	})
	if err != nil {
		return nil, fmt.Errorf("its pods cannot be listed: %w", err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !evictable(pod) {
			continue
		}
		why := "is on its way out"
		if pod.DeletionTimestamp == nil {
			err := d.evict(ctx, pod)
			switch {
			case apierrors.IsNotFound(err):
				continue
			case err != nil:
				why = "is still there: " + refusal(err)
			}
		}
		left = append(left, pod.Namespace+"/"+pod.Name+" "+why)
	}
	slices.Sort(left)
	return left, nil
}

// evict asks for one pod, that one and no namesake.
func (d *drain) evict(ctx context.Context, pod *corev1.Pod) error {
	uid := pod.UID
	return d.client.CoreV1().Pods(pod.Namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
		DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: d.grace, Preconditions: &metav1.Preconditions{UID: &uid}},
	})
}

// refusal is why the API refused an eviction; of a disruption budget, which one.
func refusal(err error) string {
	text := err.Error()
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			text += " " + cause.Message
		}
	}
	return text
}

// evictable tells whether a drain has to move a pod: it has not ended, no DaemonSet
// would make it again on the same node, and it is not the kubelet's own.
func evictable(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return false
	}
	owner := metav1.GetControllerOf(pod)
	return owner == nil || owner.Kind != "DaemonSet"
}

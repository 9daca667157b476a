package policy

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// strip leaves of an object what rules are made from: a cluster's pods are held
// on each node.
func strip(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		return stripPod(o), nil
	case *corev1.Namespace:
		return &corev1.Namespace{ObjectMeta: stripMeta(o.ObjectMeta)}, nil
	case *networkingv1.NetworkPolicy:
		return &networkingv1.NetworkPolicy{ObjectMeta: stripMeta(o.ObjectMeta), Spec: o.Spec}, nil
	}
	return object, nil // a tombstone of the informer
}

func stripMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: m.Labels}
}

func stripPod(p *corev1.Pod) *corev1.Pod {
	left := &corev1.Pod{ObjectMeta: stripMeta(p.ObjectMeta)}
	left.Spec.NodeName, left.Spec.HostNetwork = p.Spec.NodeName, p.Spec.HostNetwork
	for _, c := range p.Spec.Containers {
		left.Spec.Containers = append(left.Spec.Containers, corev1.Container{Ports: c.Ports})
	}
	for _, c := range p.Spec.InitContainers {
		left.Spec.InitContainers = append(left.Spec.InitContainers, corev1.Container{Ports: c.Ports, RestartPolicy: c.RestartPolicy})
	}
	left.Status.Phase, left.Status.PodIP, left.Status.PodIPs = p.Status.Phase, p.Status.PodIP, p.Status.PodIPs
	return left
}

// same tells whether two stripped objects make the same rules. Most updates of
// pods are of conditions and times, which no rule is about.
func same(before, after any) bool {
	return equality.Semantic.DeepEqual(unversioned(before), unversioned(after))
}

func unversioned(object any) any {
	switch o := object.(type) {
	case *corev1.Pod:
		c := *o
		c.ResourceVersion = ""
		return &c
	case *corev1.Namespace:
		c := *o
		c.ResourceVersion = ""
		return &c
	case *networkingv1.NetworkPolicy:
		c := *o
		c.ResourceVersion = ""
		return &c
	}
	return object
}

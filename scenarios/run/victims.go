package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"squall/chaos"
	"squall/scenarios"
	"squall/scenarios/plan"
	"squall/workloads"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// live is what the cluster holds at the moment of an injection.
type live struct {
	pods  []corev1.Pod
	nodes map[string]*corev1.Node
}

// lookAround asks the API, which is ahead of any watch.
func lookAround(ctx context.Context, client kubernetes.Interface) (live, error) {
	pods, err := client.CoreV1().Pods(scenarios.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return live{}, fmt.Errorf("list the pods to choose from: %w", err)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return live{}, fmt.Errorf("list the nodes of the pods to choose from: %w", err)
	}
	found := live{pods: pods.Items, nodes: map[string]*corev1.Node{}}
	for i := range nodes.Items {
		found.nodes[nodes.Items[i].Name] = &nodes.Items[i]
	}
	return found, nil
}

// victims chooses the pods that an event hits. The pods of a role get ordinals
// by age, then by name; those that are on their way out or have ended are no
// longer there to be hit. Of the pods that the fault's selector takes, as many as
// the plan counts are hit, in the plan's order; pods that the plan could not
// foresee, surplus ones, come last.
func victims(event plan.Event, fault *chaos.Object, narrow *scenarios.Victims, roles []workloads.Role, now live) []chaos.Victim {
	var candidates []chaos.Victim
	for _, role := range roles {
		for ordinal, pod := range now.of(role) {
			if narrow.TakesOrdinal(ordinal) && fault.MatchPod(pod, now.nodes[pod.Spec.NodeName]) {
				candidates = append(candidates, chaos.Victim{
					Role: role.Name, Ordinal: ordinal, Namespace: pod.Namespace,
					Pod: pod.Name, UID: string(pod.UID), Node: pod.Spec.NodeName,
				})
			}
		}
	}
	place := map[plan.Candidate]int{}
	for i, c := range event.Candidates {
		place[c] = i - len(event.Candidates) // before the 0 of those that are not in it
	}
	slices.SortStableFunc(candidates, func(a, b chaos.Victim) int {
		return cmp.Or(
			cmp.Compare(place[plan.Candidate{Role: a.Role, Ordinal: a.Ordinal}], place[plan.Candidate{Role: b.Role, Ordinal: b.Ordinal}]),
			cmp.Compare(a.Role, b.Role), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	return candidates[:event.Count.Of(len(candidates))]
}

// exactly refuses victims other than those that the plan of a replay names.
func exactly(event plan.Event, hit []chaos.Victim) ([]chaos.Victim, error) {
	if !event.Exactly {
		return hit, nil
	}
	for _, c := range event.Candidates {
		if !slices.ContainsFunc(hit, func(v chaos.Victim) bool { return v.Role == c.Role && v.Ordinal == c.Ordinal }) {
			return nil, fmt.Errorf("the run that is followed hit %s/%d, which is not there now, or which the selector does not take", c.Role, c.Ordinal)
		}
	}
	return hit, nil
}

// of are the pods of a role, by ordinal.
func (l live) of(role workloads.Role) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range l.pods {
		pod := &l.pods[i]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if belongs(pod, role) && pod.DeletionTimestamp == nil && !ended {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods
}

package clustertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func policyOfPodsChecks() []Check {
	return []Check{
		{Name: "pods/preemption", Says: "a pod of higher priority takes the place of a lower one", on: preemption},
		{Name: "pods/eviction and PDB", Says: "a disruption budget holds evictions back, and lets them through", on: eviction},
		{Name: "api/quota and limits", Says: "a ResourceQuota refuses what is too much, a LimitRange fills in what is missing", on: quota},
		{Name: "api/CRD and server-side apply", Says: "a custom resource is validated, and a field has one owner", on: custom},
	}
}

// warned waits for a Warning or Normal event of an object that says so.
func (s *scope) warned(ctx context.Context, object, reason, says string) error {
	return until(ctx, 30*time.Second, fmt.Sprintf("an event %s of %s that says %q", reason, object, says), func(ctx context.Context) (string, error) {
		list, err := s.client.CoreV1().Events(s.ns).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + object})
		if err != nil {
			return "", err
		}
		var seen []string
		for _, e := range list.Items {
			if e.Reason == reason && strings.Contains(e.Message, says) {
				return "", nil
			}
			seen = append(seen, e.Reason+": "+e.Message)
		}
		return fmt.Sprintf("%d events: %s", len(seen), strings.Join(seen, "; ")), nil
	})
}

// Pods ask for a resource of the check's own, so no other pod is in their way,
// and no other pod is in theirs.
const preemptionManifest = `
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: $NS-low}
value: -20
preemptionPolicy: Never
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: $NS-high}
value: -10
---
apiVersion: v1
kind: Pod
metadata: {name: low}
spec:
  priorityClassName: $NS-low
  containers: [{name: c, image: $PROBE, args: [sleep], resources: {limits: {clustertest.squall.dev/place: 1}}}]
`

const preemptorManifest = `
apiVersion: v1
kind: Pod
metadata: {name: high}
spec:
  priorityClassName: $NS-high
  containers: [{name: c, image: $PROBE, args: [sleep], resources: {limits: {clustertest.squall.dev/place: 1}}}]
`

func preemption(ctx context.Context, s *scope) error {
	place := []byte(`[{"op": "add", "path": "/status/capacity/clustertest.squall.dev~1place", "value": "1"}]`)
	node := s.workers()[0]
	if _, err := s.client.CoreV1().Nodes().Patch(ctx, node, types.JSONPatchType, place, metav1.PatchOptions{}, "status"); err != nil {
		return fmt.Errorf("giving node %s a resource: %w", node, err)
	}
	return steps(
		func() error { return s.apply(ctx, preemptionManifest) },
		func() error { return s.podReady(ctx, "low") },
		func() error { return s.apply(ctx, preemptorManifest) },
		func() error { return s.podReady(ctx, "high") },
		func() error { return s.warned(ctx, "low", "Preempted", "Preempted by") },
	)
}

const evictionManifest = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: two}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: $PROBE, args: [serve]}]}
`

func eviction(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, fmt.Sprintf(evictionManifest, 2)); err != nil {
		return err
	}
	pods, err := s.podsReady(ctx, "app=web", 2)
	if err != nil {
		return err
	}
	evict := func(p corev1.Pod) error {
		return s.client.PolicyV1().Evictions(s.ns).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: s.ns}})
	}
	if err := s.budget(ctx, 0); err != nil {
		return err
	}
	if err := evict(pods[0]); !apierrors.IsTooManyRequests(err) {
		return fmt.Errorf("evicting one of two pods of which two are wanted: wanted 429 Too Many Requests, got %w", orNone(err))
	}
	return steps(
		func() error { return s.apply(ctx, fmt.Sprintf(evictionManifest, 3)) },
		func() error { return s.budget(ctx, 1) },
		func() error { return evict(pods[0]) },
		func() error {
			return until(ctx, podStart, "the evicted pod to be gone", func(ctx context.Context) (string, error) {
				p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, pods[0].Name, metav1.GetOptions{})
				if apierrors.IsNotFound(err) {
					return "", nil
				}
				return describePod(p), err
			})
		},
	)
}

// budget waits until the disruption budget allows so many.
func (s *scope) budget(ctx context.Context, allowed int32) error {
	return until(ctx, podStart, fmt.Sprintf("the budget to allow %d", allowed), func(ctx context.Context) (string, error) {
		b, err := s.client.PolicyV1().PodDisruptionBudgets(s.ns).Get(ctx, "two", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		if b.Status.ObservedGeneration == b.Generation && b.Status.CurrentHealthy >= 2 && b.Status.DisruptionsAllowed == allowed {
			return "", nil
		}
		return fmt.Sprintf("%d allowed, %d healthy", b.Status.DisruptionsAllowed, b.Status.CurrentHealthy), nil
	})
}

const quotaManifest = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: one}
spec: {hard: {pods: "1"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec: {limits: [{type: Container, default: {memory: 32Mi}, defaultRequest: {cpu: 10m}, max: {memory: 64Mi}}]}
`

func quota(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, quotaManifest); err != nil {
		return err
	}
	// a namespace with a quota refuses pods until the quota has been counted
	err := until(ctx, 20*time.Second, "the quota to be counted", func(ctx context.Context) (string, error) {
		q, err := s.client.CoreV1().ResourceQuotas(s.ns).Get(ctx, "one", metav1.GetOptions{})
		if err == nil && len(q.Status.Used) == 0 {
			return "not counted", nil
		}
		return "", err
	})
	if err != nil {
		return err
	}
	return steps(
		func() error { return s.apply(ctx, podManifest("first", "", "sleep")) },
		func() error {
			return refused("a second pod", s.apply(ctx, podManifest("second", "", "sleep")), "exceeded quota: one")
		},
		func() error {
			big := strings.Replace(podManifest("big", "", "sleep"), "image:", "resources: {limits: {memory: 65Mi}}, image:", 1)
			return refused("a pod above the limit", s.apply(ctx, big), "maximum memory usage per Container is 64Mi")
		},
		func() error {
			p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "first", metav1.GetOptions{})
			if err != nil {
				return err
			}
			return same("the limit that was filled in", p.Spec.Containers[0].Resources.Limits.Memory().String(), "32Mi")
		},
	)
}

const crdManifest = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.$NS.example.com}
spec:
  group: $NS.example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {sails: {type: integer, maximum: 9}, colour: {type: string}}}}}}
`

const boatManifest = `
apiVersion: $NS.example.com/v1
kind: Boat
metadata: {name: ark}
spec: {sails: %d}
`

func custom(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, crdManifest); err != nil {
		return err
	}
	err := until(ctx, 30*time.Second, "the custom resource to be served", func(ctx context.Context) (string, error) {
		s.mapper.Reset()
		if _, err := s.resource(s.ns+".example.com/v1", "Boat"); err != nil {
			return err.Error(), nil
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	client, err := s.resource(s.ns+".example.com/v1", "Boat")
	if err != nil {
		return err
	}
	another := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": s.ns + ".example.com/v1", "kind": "Boat", "metadata": map[string]any{"name": "ark"},
	}}
	as := func(field string, value any) error {
		another.Object["spec"] = map[string]any{field: value}
		_, err := client.Apply(ctx, "ark", another, metav1.ApplyOptions{FieldManager: "another"})
		return err
	}
	return steps(
		func() error {
			return answers(ctx, 30*time.Second, "applied", func(ctx context.Context) (string, error) {
				return "applied", s.apply(ctx, fmt.Sprintf(boatManifest, 3))
			})
		},
		func() error {
			return refused("ten sails", s.apply(ctx, fmt.Sprintf(boatManifest, 10)), "less than or equal to 9")
		},
		func() error {
			return refused("another's field", as("sails", int64(4)), "conflict with \"clustertest\"")
		},
		func() error { return as("colour", "red") },
		func() error {
			ark, err := client.Get(ctx, "ark", metav1.GetOptions{})
			if err != nil {
				return err
			}
			return same("what both applied", fmt.Sprint(ark.Object["spec"]), "map[colour:red sails:3]")
		},
	)
}

package clustertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func settingChecks() []Check {
	return []Check{
		{Name: "pods/downward API", Says: "a pod learns its name, address, node, labels and limits", on: downward},
		{Name: "pods/projected token", Says: "a token for an audience, bound to the pod, that the API server knows", on: projectedToken},
		{Name: "pods/ConfigMap and Secret", Says: "values reach variables, and mounted files again after a change", Smoke: true, on: propagation},
		{Name: "pods/placement", Says: "selectors, affinity, spreading and taints decide the node", on: placement},
	}
}

const downwardManifest = `
apiVersion: v1
kind: Pod
metadata: {name: knows, labels: {tier: front}}
spec:
  volumes: [{name: d, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]
  containers:
  - name: c
    image: $PROBE
    args: [sleep]
    resources: {limits: {memory: 48Mi}}
    volumeMounts: [{name: d, mountPath: /d}]
    env:
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
`

func downward(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, downwardManifest); err != nil {
		return err
	}
	if err := s.podReady(ctx, "knows"); err != nil {
		return err
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "knows", metav1.GetOptions{})
	if err != nil {
		return err
	}
	values, err := s.exec(ctx, "knows", "env", "NAME", "ADDRESS", "NODE", "MEMORY")
	if err != nil {
		return err
	}
	labels, err := s.exec(ctx, "knows", "read", "/d/labels")
	if err != nil {
		return err
	}
	want := strings.Join([]string{p.Name, p.Status.PodIP, p.Spec.NodeName, "50331648"}, "\n")
	return steps(
		func() error { return same("what the pod knows", values, want) },
		func() error { return same("its labels", labels, `tier="front"`) },
	)
}

const tokenManifest = `
apiVersion: v1
kind: Pod
metadata: {name: bearer}
spec:
  volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: token, audience: vault, expirationSeconds: 600}}]}}]
  containers: [{name: c, image: $PROBE, args: [sleep], volumeMounts: [{name: t, mountPath: /t}]}]
`

func projectedToken(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, tokenManifest); err != nil {
		return err
	}
	if err := s.podReady(ctx, "bearer"); err != nil {
		return err
	}
	token, err := s.exec(ctx, "bearer", "read", "/t/token")
	if err != nil {
		return err
	}
	review := func(audience string) (authenticationv1.TokenReviewStatus, error) {
		r, err := s.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}},
		}, metav1.CreateOptions{})
		return r.Status, err
	}
	good, err := review("vault")
	if err != nil {
		return err
	}
	other, err := review("bank")
	return steps(
		func() error { return err },
		func() error { return same("the token is known", good.Authenticated, true) },
		func() error { return same("whose it is", good.User.Username, "system:serviceaccount:"+s.ns+":default") },
		func() error {
			return same("its pod", fmt.Sprint(good.User.Extra["authentication.kubernetes.io/pod-name"]), "[bearer]")
		},
		func() error { return same("the token is good for another audience", other.Authenticated, false) },
	)
}

const propagationManifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: %[1]s}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
stringData: {word: %[1]s}
`

const propagationPod = `
---
apiVersion: v1
kind: Pod
metadata: {name: reads}
spec:
  volumes: [{name: c, configMap: {name: settings}}, {name: s, secret: {secretName: secret}}]
  containers:
  - name: c
    image: $PROBE
    args: [sleep]
    volumeMounts: [{name: c, mountPath: /c}, {name: s, mountPath: /s}]
    env:
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: secret, key: word}}}
`

func propagation(ctx context.Context, s *scope) error {
	see := func(want string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			files, err := s.exec(ctx, "reads", "read", "/c/colour", "/s/word")
			if err != nil {
				return "", err
			}
			if files != want+"\n"+want {
				return fmt.Sprintf("%q", files), nil
			}
			return "", nil
		}
	}
	return steps(
		func() error { return s.apply(ctx, fmt.Sprintf(propagationManifest, "red")+propagationPod) },
		func() error { return s.podReady(ctx, "reads") },
		func() error { return until(ctx, 5*time.Second, "the first values", see("red")) },
		func() error { return s.apply(ctx, fmt.Sprintf(propagationManifest, "blue")) },
		func() error { return until(ctx, s.propagation(), "the second values", see("blue")) },
		func() error {
			out, err := s.exec(ctx, "reads", "env", "COLOUR", "WORD")
			if err != nil {
				return err
			}
			return same("variables, which never change", out, "red\nred")
		},
	)
}

// propagation is how long a change takes to reach a mounted file: kubelets look
// at a pod again after their sync period and up to half of it more (k8s 1.36,
// pkg/kubelet/pod_workers.go, workerResyncIntervalJitterFactor), and write the
// files on the way. 5 s are added for that, and for the watch before it.
func (s *scope) propagation() time.Duration { return s.timers.Sync*3/2 + 5*time.Second }

const placementManifest = `
apiVersion: v1
kind: Pod
metadata: {name: chosen}
spec:
  nodeSelector: {kubernetes.io/hostname: %[1]s}
  containers: [{name: c, image: $PROBE, args: [sleep]}]
---
apiVersion: v1
kind: Pod
metadata: {name: tolerates}
spec:
  nodeSelector: {node-role.kubernetes.io/control-plane: ""}
  tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}]
  containers: [{name: c, image: $PROBE, args: [sleep]}]
---
apiVersion: v1
kind: Pod
metadata: {name: nowhere}
spec:
  nodeSelector: {node-role.kubernetes.io/control-plane: ""}
  containers: [{name: c, image: $PROBE, args: [sleep]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: apart}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: apart}}
  template:
    metadata: {labels: {app: apart}}
    spec:
      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: apart}}}]}}
      containers: [{name: c, image: $PROBE, args: [sleep]}]
`

func placement(ctx context.Context, s *scope) error {
	workers := s.workers()
	if err := s.apply(ctx, fmt.Sprintf(placementManifest, workers[len(workers)-1], len(workers))); err != nil {
		return err
	}
	if err := s.podReady(ctx, "chosen", "tolerates"); err != nil {
		return err
	}
	chosen, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "chosen", metav1.GetOptions{})
	if err != nil {
		return err
	}
	apart, err := s.podsReady(ctx, "app=apart", len(workers))
	if err != nil {
		return err
	}
	on := map[string]bool{}
	for _, p := range apart {
		on[p.Spec.NodeName] = true
	}
	return steps(
		func() error { return same("the node that was chosen", chosen.Spec.NodeName, workers[len(workers)-1]) },
		func() error { return same("nodes of pods that keep apart", len(on), len(workers)) },
		func() error {
			return s.warned(ctx, "nowhere", "FailedScheduling", "untolerated taint")
		},
	)
}

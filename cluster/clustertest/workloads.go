package clustertest

import (
	"context"
	"fmt"
	"time"

	"squall/cluster"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func workloadChecks() []Check {
	return []Check{
		{Name: "workloads/deployment", Says: "rolls out without going below what is wanted, rolls back, heals", Smoke: true, on: deployment},
		{Name: "workloads/statefulset", Says: "pods come in order and keep names and volumes", Needs: []cluster.Part{cluster.Storage}, on: statefulSet},
		{Name: "workloads/daemonset", Says: "one pod a node, control planes included when tolerated", Smoke: true, on: daemonSet},
		{Name: "workloads/job", Says: "a failed container is tried again, a hopeless Job fails, an indexed one completes", on: jobs},
		{Name: "workloads/cronjob", Says: "a CronJob makes Jobs when they are due", on: cronJob},
	}
}

const deploymentManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: $PROBE, args: [serve], env: [{name: VERSION, value: "%s"}], readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}
`

func deployment(ctx context.Context, s *scope) error {
	apply := func(version string) func() error {
		return func() error { return s.apply(ctx, fmt.Sprintf(deploymentManifest, version)) }
	}
	return steps(
		apply("1"),
		func() error { return s.rolledOut(ctx, "1") },
		apply("2"),
		func() error { return s.rolledOut(ctx, "2") },
		func() error {
			_, err := s.kubectl(ctx, "rollout", "undo", "deployment/web")
			return err
		},
		func() error { return s.rolledOut(ctx, "1") },
		func() error { return s.heals(ctx, "app=web", 3) },
	)
}

// rolledOut waits until the Deployment is complete at a version. Meanwhile its
// three replicas must never be fewer available ones, once they were there.
func (s *scope) rolledOut(ctx context.Context, version string) error {
	were := false
	return until(ctx, podStart, "version "+version+" to be rolled out", func(ctx context.Context) (string, error) {
		d, err := s.client.AppsV1().Deployments(s.ns).Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		st := d.Status
		if were && st.AvailableReplicas < 3 {
			return "", fmt.Errorf("%d replicas are available, with maxUnavailable 0 there must be 3", st.AvailableReplicas)
		}
		were = st.AvailableReplicas >= 3
		done := st.ObservedGeneration == d.Generation && st.UpdatedReplicas == 3 && st.AvailableReplicas == 3 && st.Replicas == 3
		if now := d.Spec.Template.Spec.Containers[0].Env[0].Value; done && now != version {
			return "", fmt.Errorf("its template has version %s", now)
		}
		if done {
			return "", nil
		}
		return fmt.Sprintf("%d updated, %d available, %d in all", st.UpdatedReplicas, st.AvailableReplicas, st.Replicas), nil
	})
}

// heals deletes one of some pods and waits for another.
func (s *scope) heals(ctx context.Context, selector string, n int) error {
	pods, err := s.podsReady(ctx, selector, n)
	if err != nil {
		return err
	}
	victim := pods[0]
	if err := s.client.CoreV1().Pods(s.ns).Delete(ctx, victim.Name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return until(ctx, podStart, "another pod in place of "+victim.Name, func(ctx context.Context) (string, error) {
		pods, err := s.podsReady(ctx, selector, n)
		if err != nil {
			return "", err
		}
		for _, p := range pods {
			if p.UID == victim.UID {
				return "it is still there", nil
			}
		}
		return "", nil
	})
}

const statefulSetManifest = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: c, image: $PROBE, args: [serve], volumeMounts: [{name: data, mountPath: /data}], readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}
  volumeClaimTemplates:
  - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}}
`

func statefulSet(ctx context.Context, s *scope) error {
	var uid string
	return steps(
		func() error { return s.apply(ctx, statefulSetManifest) },
		func() error { return s.podReady(ctx, "db-0", "db-1", "db-2") },
		func() error { return s.inOrder(ctx, "db-0", "db-1", "db-2") },
		func() error {
			p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "db-1", metav1.GetOptions{})
			uid = string(p.UID)
			return err
		},
		func() error {
			_, err := s.exec(ctx, "db-1", "write", "/data/file", "kept")
			return err
		},
		func() error { return s.client.CoreV1().Pods(s.ns).Delete(ctx, "db-1", metav1.DeleteOptions{}) },
		func() error {
			return s.podIs(ctx, "db-1", podStart, "made again", func(p *corev1.Pod) bool { return string(p.UID) != uid && isReady(p) })
		},
		func() error {
			out, err := s.exec(ctx, "db-1", "read", "/data/file")
			if err != nil {
				return err
			}
			return same("the file of the pod before it", out, "kept")
		},
		func() error {
			return answers(ctx, 10*time.Second, "db-1 to", func(ctx context.Context) (string, error) {
				return s.exec(ctx, "db-0", "get", "http://db-1.db:8080/")
			})
		},
	)
}

// inOrder checks that each pod was made after the one before it was Ready.
func (s *scope) inOrder(ctx context.Context, names ...string) error {
	var ready metav1.Time
	for _, name := range names {
		p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if p.CreationTimestamp.Before(&ready) {
			return fmt.Errorf("%s was made at %s, before the one before it was Ready at %s", name, p.CreationTimestamp, ready)
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady {
				ready = c.LastTransitionTime
			}
		}
	}
	return nil
}

const daemonSetManifest = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {tolerations: [%[2]s], containers: [{name: c, image: $PROBE, args: [serve]}]}
`

func daemonSet(ctx context.Context, s *scope) error {
	everywhere := fmt.Sprintf(daemonSetManifest, "everywhere", "{operator: Exists}")
	if err := s.apply(ctx, everywhere+"---"+fmt.Sprintf(daemonSetManifest, "workers", "")); err != nil {
		return err
	}
	for name, nodes := range map[string]int{"everywhere": len(s.Info().Nodes), "workers": len(s.workers())} {
		pods, err := s.podsReady(ctx, "app="+name, nodes)
		if err != nil {
			return err
		}
		on := map[string]bool{}
		for _, p := range pods {
			on[p.Spec.NodeName] = true
		}
		if err := same("nodes with a pod of "+name, len(on), nodes); err != nil {
			return err
		}
	}
	return nil
}

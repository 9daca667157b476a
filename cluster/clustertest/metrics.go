package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"squall/cluster"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func metricsChecks() []Check {
	metrics := []cluster.Part{cluster.Metrics}
	return []Check{
		{Name: "metrics/node size", Says: "workers advertise the size that was asked for", Smoke: true, on: nodeSize},
		{Name: "metrics/nodes and pods", Says: "the metrics API has every node and every pod, kubectl top shows them", Needs: metrics, on: top},
		{Name: "metrics/HPA", Says: "a HorizontalPodAutoscaler scales up on CPU", Needs: metrics, on: autoscaler},
	}
}

func nodeSize(ctx context.Context, s *scope) error {
	for _, name := range s.workers() {
		n, err := s.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		err = steps(
			func() error { return same(name+"'s processors", n.Status.Capacity.Cpu().Cmp(s.spec.NodeCPU), 0) },
			func() error { return same(name+"'s memory", n.Status.Capacity.Memory().Cmp(s.spec.NodeMemory), 0) },
		)
		if err != nil {
			return fmt.Errorf("%w; it has %s and %s", err, n.Status.Capacity.Cpu(), n.Status.Capacity.Memory())
		}
	}
	return nil
}

// metered is what the metrics API says of nodes or pods (metrics.k8s.io/v1beta1).
type metered struct {
	Items []struct {
		Metadata   metav1.ObjectMeta            `json:"metadata"`
		Usage      map[string]resource.Quantity `json:"usage"`
		Containers []struct {
			Usage map[string]resource.Quantity `json:"usage"`
		} `json:"containers"`
	} `json:"items"`
}

func (s *scope) metered(ctx context.Context, path string) (metered, error) {
	var m metered
	raw, err := s.client.CoreV1().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/" + path).DoRaw(ctx)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(raw, &m)
}

// metricsMost is how long a pod may take until it has metrics: metrics-server's
// own start with the cluster, and two of its rounds, since a rate needs two
// (sigs.k8s.io/metrics-server, pkg/storage/pod.go); kubelets measure every 10 s.
func (s *scope) metricsMost() time.Duration { return 30*time.Second + 3*s.timers.MetricsResolution }

func top(ctx context.Context, s *scope) error {
	busy := strings.Replace(podManifest("busy", "", "burn", "10m"), "image:", "resources: {limits: {cpu: 100m}}, image:", 1)
	if err := s.apply(ctx, busy); err != nil {
		return err
	}
	err := until(ctx, s.metricsMost(), "metrics of every node and of a busy pod", func(ctx context.Context) (string, error) {
		nodes, err := s.metered(ctx, "nodes")
		if err != nil {
			return err.Error(), nil // not served yet
		}
		pods, err := s.metered(ctx, "namespaces/"+s.ns+"/pods")
		if err != nil {
			return err.Error(), nil
		}
		if len(nodes.Items) != len(s.Info().Nodes) || len(pods.Items) != 1 || len(pods.Items[0].Containers) != 1 {
			return fmt.Sprintf("%d nodes, %d pods", len(nodes.Items), len(pods.Items)), nil
		}
		cpu := pods.Items[0].Containers[0].Usage["cpu"]
		if cpu.MilliValue() < 50 || cpu.MilliValue() > 150 {
			return fmt.Sprintf("the pod that is held to 100m uses %dm", cpu.MilliValue()), nil
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	for _, what := range [][]string{{"top", "nodes"}, {"top", "pods"}} {
		out, err := s.kubectl(ctx, what...)
		if err != nil {
			return err
		}
		want := "busy"
		if what[1] == "nodes" {
			want = s.workers()[0]
		}
		if err := holds(strings.Join(what, " "), out, want); err != nil {
			return err
		}
	}
	return nil
}

const autoscalerManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: $PROBE, args: [burn, 10m], resources: {requests: {cpu: 20m}, limits: {cpu: 60m}}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: busy}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: busy}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
`

func autoscaler(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, autoscalerManifest); err != nil {
		return err
	}
	most := s.metricsMost() + s.timers.HPACPUInitialization + 2*s.timers.HPASync
	return until(ctx, most, "three replicas", func(ctx context.Context) (string, error) {
		d, err := s.client.AppsV1().Deployments(s.ns).Get(ctx, "busy", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		if *d.Spec.Replicas == 3 {
			return "", nil
		}
		h, err := s.client.AutoscalingV2().HorizontalPodAutoscalers(s.ns).Get(ctx, "busy", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		seen := fmt.Sprintf("%d replicas", *d.Spec.Replicas)
		for _, c := range h.Status.Conditions {
			seen += fmt.Sprintf("; %s %s %s", c.Type, c.Status, c.Message)
		}
		return seen, nil
	})
}

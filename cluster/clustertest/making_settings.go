package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"squall/cluster"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func settingsOfClustersChecks() []Check {
	return []Check{
		{Name: "making/fast timers", Says: "every component runs with the timers of the table", on: fastTimers},
		{Name: "making/gates and flags", Says: "feature gates and flags take effect, in every component that knows them", stage: making, with: gatesAndFlags},
		{Name: "making/parts", Says: "a part that the provider has not is refused", stage: making, with: missingParts},
	}
}

// configuration is what a kubelet says it runs with (/configz).
type configuration struct {
	Kubelet struct {
		NodeStatusUpdateFrequency metav1.Duration `json:"nodeStatusUpdateFrequency"`
		SyncFrequency             metav1.Duration `json:"syncFrequency"`
		NodeLeaseDurationSeconds  int             `json:"nodeLeaseDurationSeconds"`
		MaxPods                   int             `json:"maxPods"`
		FeatureGates              map[string]bool `json:"featureGates"`
	} `json:"kubeletconfig"`
}

func (l *lab) configuration(ctx context.Context, node string) (configuration, error) {
	var c configuration
	raw, err := l.client.CoreV1().RESTClient().Get().Resource("nodes").Name(node).SubResource("proxy").Suffix("configz").DoRaw(ctx)
	if err != nil {
		return c, fmt.Errorf("asking the kubelet of %s for its configuration: %w", node, err)
	}
	return c, json.Unmarshal(raw, &c)
}

func fastTimers(ctx context.Context, s *scope) error {
	for _, n := range s.first {
		c, err := s.configuration(ctx, n.Name)
		if err != nil {
			return err
		}
		err = steps(
			func() error {
				return same("nodeStatusUpdateFrequency", c.Kubelet.NodeStatusUpdateFrequency.Duration, s.timers.NodeStatusUpdate)
			},
			func() error { return same("syncFrequency", c.Kubelet.SyncFrequency.Duration, s.timers.Sync) },
			func() error {
				return same("nodeLeaseDurationSeconds", c.Kubelet.NodeLeaseDurationSeconds, int(s.timers.NodeLease.Seconds()))
			},
		)
		if err != nil {
			return fmt.Errorf("the kubelet of %s: %w", n.Name, err)
		}
	}
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if err := s.started(ctx, component, s.timers.Flags(component)); err != nil {
			return err
		}
	}
	if err := s.apply(ctx, strings.Replace(podManifest("tolerant", "", "sleep"), "tolerations: [{operator: Exists}]", "", 1)); err != nil {
		return err
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "tolerant", metav1.GetOptions{})
	if err != nil {
		return err
	}
	got := map[string]time.Duration{}
	for _, t := range p.Spec.Tolerations {
		if t.TolerationSeconds != nil {
			got[t.Key] = time.Duration(*t.TolerationSeconds) * time.Second
		}
	}
	return steps(
		func() error {
			return same("a pod's toleration", got["node.kubernetes.io/not-ready"], s.timers.NotReadyToleration)
		},
		func() error {
			return same("a pod's toleration", got["node.kubernetes.io/unreachable"], s.timers.UnreachableToleration)
		},
	)
}

// started checks that a component of the control plane was started with flags.
func (l *lab) started(ctx context.Context, component string, flags map[string]string) error {
	out, err := l.inside(ctx, l.clientHost().Name, "processes")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		program, _, _ := strings.Cut(line, " ")
		if !strings.HasSuffix(program, component) {
			continue
		}
		for name, value := range flags {
			if !strings.Contains(strings.TrimSpace(line)+" ", " --"+name+"="+value+" ") {
				return fmt.Errorf("%s was not started with --%s=%s: %s", component, name, value, line)
			}
		}
		return nil
	}
	return fmt.Errorf("no process of %s on the client host, there are %s", component, out)
}

// gatesAndFlags sets one gate and three flags of which each can be seen at work.
// HPAScaleToZero is an alpha gate (k8s 1.36, pkg/features/kube_features.go) that
// lets a HorizontalPodAutoscaler have no replica at all.
func gatesAndFlags(ctx context.Context, s *suite) error {
	const gate, pods = "HPAScaleToZero", 42
	return s.made(ctx, cluster.Spec{
		Name: "flags", Workers: 1,
		FeatureGates: map[string]bool{gate: true},
		Flags: map[string]map[string]string{
			"kubelet":                 {"max-pods": strconv.Itoa(pods)},
			"kube-controller-manager": {"concurrent-deployment-syncs": "7"},
			"kube-scheduler":          {"v": "1"},
		},
	}, func(ctx context.Context, l *lab) error {
		for _, n := range l.first {
			c, err := l.configuration(ctx, n.Name)
			if err != nil {
				return err
			}
			object, err := l.client.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
			err = steps(
				func() error { return err },
				func() error { return same("maxPods", c.Kubelet.MaxPods, pods) },
				func() error { return same("the gate", c.Kubelet.FeatureGates[gate], true) },
				func() error { return same("pods allowed", object.Status.Allocatable.Pods().Value(), pods) },
			)
			if err != nil {
				return fmt.Errorf("the kubelet of %s: %w", n.Name, err)
			}
		}
		zero := int32(0)
		_, err := l.client.AutoscalingV2().HorizontalPodAutoscalers("default").Create(ctx, &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Name: "zero"},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "zero"},
				MinReplicas:    &zero, MaxReplicas: 1,
				Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
					DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: "Service", Name: "zero"},
					Metric:          autoscalingv2.MetricIdentifier{Name: "requests"},
					Target:          autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: resource.NewQuantity(1, resource.DecimalSI)},
				}}},
			},
		}, metav1.CreateOptions{})
		return steps(
			func() error { return err },
			func() error {
				return l.started(ctx, "kube-controller-manager", map[string]string{"concurrent-deployment-syncs": "7"})
			},
			func() error { return l.started(ctx, "kube-scheduler", map[string]string{"v": "1"}) },
		)
	})
}

// missingParts checks that a cluster with a part that the provider has not is
// refused.
func missingParts(ctx context.Context, s *suite) error {
	for _, missing := range s.lacks() {
		spec := cluster.Spec{Name: s.Prefix + "-part", Workers: 1}
		for _, p := range s.lacks() {
			if p != missing {
				spec.Without = append(spec.Without, p)
			}
		}
		_, err := s.Provider.Create(ctx, spec, nil)
		if err := judge(Check{}, s.Cannot[string(missing)], err); err != nil {
			return fmt.Errorf("a cluster with %s: %w", missing, err)
		}
		if err := s.gone(ctx, spec.Name); err != nil {
			return err
		}
	}
	return nil
}

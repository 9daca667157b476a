package shop

import (
	"fmt"
	"maps"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// maxCost is the longest time that an answer may take of a processor: one pod
	// then answers ten requests a second.
	maxCost = 100 * time.Millisecond
	// maxUtilization is the highest share of the requested CPU, in percent, that
	// pods may be held at. There is no limit that they would run into.
	maxUtilization = 1000
	// maxWindow is Kubernetes' own bound on a stabilization window.
	maxWindow = time.Hour
)

// Autoscale says how an autoscaler looks after a service's pods.
type Autoscale struct {
	Min int `yaml:"min"` // pods at least, from 1
	Max int `yaml:"max"` // pods at most
	CPU int `yaml:"cpu"` // the share of the requested CPU to hold them at, in percent
	// ScaleDownWindow is how long more pods must not have been wanted before some
	// are taken away; without it, Kubernetes' own 5 minutes.
	ScaleDownWindow *time.Duration `yaml:"scaleDownWindow,omitempty"`
}

// costFindings are those about Cost.
func (s *Spec) costFindings() []Finding {
	var found []Finding
	for _, service := range slices.Sorted(maps.Keys(s.Cost)) {
		path, cost := "cost."+service, s.Cost[service]
		if !slices.Contains(s.Services, service) {
			found = append(found, Finding{Path: path, Value: quote(service), Problem: "is not among the services that run", Allowed: s.Services})
		}
		if cost < 0 || cost > maxCost {
			found = append(found, Finding{Path: path, Value: cost.String(), Problem: fmt.Sprintf("must be 0s to %s", maxCost)})
		}
	}
	return found
}

// autoscaleFindings are those about Autoscale.
func (s *Spec) autoscaleFindings() []Finding {
	var found []Finding
	for _, service := range slices.Sorted(maps.Keys(s.Autoscale)) {
		path, a := "autoscale."+service, s.Autoscale[service]
		say := func(field, value, problem string) {
			found = append(found, Finding{Path: path + field, Value: value, Problem: problem})
		}
		switch {
		case !slices.Contains(s.Services, service):
			found = append(found, Finding{Path: path, Value: quote(service), Problem: "is not among the services that run", Allowed: s.Services})
		case slices.Contains(s.Bare, service):
			say("", quote(service), "runs as pods without a controller, so there is nothing to scale")
		}
		if a.Min < 1 || a.Min > maxReplicas {
			say(".min", fmt.Sprint(a.Min), fmt.Sprintf("must be 1 to %d", maxReplicas))
		}
		if a.Max < a.Min || a.Max > maxReplicas {
			say(".max", fmt.Sprint(a.Max), fmt.Sprintf("must be min to %d", maxReplicas))
		}
		if a.CPU < 1 || a.CPU > maxUtilization {
			say(".cpu", fmt.Sprint(a.CPU), fmt.Sprintf("must be 1 to %d percent of the requested CPU", maxUtilization))
		}
		if w := a.ScaleDownWindow; w != nil && (*w < 0 || *w > maxWindow || *w%time.Second != 0) {
			say(".scaleDownWindow", w.String(), fmt.Sprintf("must be whole seconds, 0s to %s", maxWindow))
		}
	}
	return found
}

// autoscaler is the HorizontalPodAutoscaler of a service.
func (a Autoscale) autoscaler(service string, meta metav1.ObjectMeta) *autoscalingv2.HorizontalPodAutoscaler {
	least, share := int32(a.Min), int32(a.CPU)
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: meta,
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: service},
			MinReplicas:    &least, MaxReplicas: int32(a.Max),
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
					Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &share,
				}},
			}},
		},
	}
	if a.ScaleDownWindow != nil {
		seconds := int32(*a.ScaleDownWindow / time.Second)
		hpa.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &seconds}}
	}
	return hpa
}

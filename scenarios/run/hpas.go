package run

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"squall/reports"
	"squall/scenarios"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// hpaSource are the HorizontalPodAutoscalers.
func (r *recorder) hpaSource(client kubernetes.Interface) source {
	hpas := client.AutoscalingV2().HorizontalPodAutoscalers(scenarios.Namespace)
	return source{
		what:  "autoscalers",
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return hpas.List(ctx, o) },
		watch: hpas.Watch,
		see:   seeing(r.seeHPA),
		replace: func(list runtime.Object) {
			r.replaceHPAs(items[*autoscalingv2.HorizontalPodAutoscaler](list))
		},
	}
}

// seeHPA records what the watch says of an HPA, if that is new.
func (r *recorder) seeHPA(hpa *autoscalingv2.HorizontalPodAutoscaler, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordHPA(hpaEntry(hpa, deleted))
}

// replaceHPAs takes a whole list: those that are not in it were deleted while
// nobody looked.
func (r *recorder) replaceHPAs(hpas []*autoscalingv2.HorizontalPodAutoscaler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	listed := map[string]bool{}
	for _, hpa := range hpas {
		listed[hpa.Name] = true
		r.recordHPA(hpaEntry(hpa, false))
	}
	for name, entry := range r.hpas {
		if !listed[name] {
			entry.Deleted = true
			r.recordHPA(entry)
		}
	}
}

// recordHPA records an HPA when it is new; the caller holds the lock.
func (r *recorder) recordHPA(entry reports.HPAEntry) {
	if had, known := r.hpas[entry.Name]; known && reflect.DeepEqual(had, entry) {
		return
	}
	r.hpas[entry.Name] = entry
	r.add(reports.Entry{At: r.clock.now(), Kind: reports.KindHPA, HPA: &entry})
}

// hpaEntry is an HPA as the record shows it. What its conditions say in words
// stands in its events as well, when it matters.
func hpaEntry(hpa *autoscalingv2.HorizontalPodAutoscaler, deleted bool) reports.HPAEntry {
	to := hpa.Spec.ScaleTargetRef
	entry := reports.HPAEntry{
		Name: hpa.Name, Target: to.Kind + "/" + to.Name, Min: 1, Max: int(hpa.Spec.MaxReplicas), // 1 is Kubernetes' own default
		Current: int(hpa.Status.CurrentReplicas), Desired: int(hpa.Status.DesiredReplicas), Deleted: deleted,
	}
	if hpa.Spec.MinReplicas != nil {
		entry.Min = int(*hpa.Spec.MinReplicas)
	}
	if at := hpa.Status.LastScaleTime; at != nil {
		scaled := at.UTC()
		entry.Scaled = &scaled
	}
	now := map[string]string{}
	for _, m := range hpa.Status.CurrentMetrics {
		name, value := metricNow(m)
		now[name] = value
	}
	for _, m := range hpa.Spec.Metrics {
		name, target := metricTarget(m)
		entry.Metrics = append(entry.Metrics, reports.HPAMetric{Name: name, Target: target, Now: now[name]})
	}
	for _, c := range hpa.Status.Conditions {
		entry.Conditions = append(entry.Conditions, reports.HPACondition{Type: string(c.Type), Status: string(c.Status), Reason: c.Reason})
	}
	slices.SortFunc(entry.Conditions, func(a, b reports.HPACondition) int { return cmp.Compare(a.Type, b.Type) })
	return entry
}

// metricTarget is what a metric is called in the record, and what it is held to.
func metricTarget(m autoscalingv2.MetricSpec) (name, target string) {
	held := func(t autoscalingv2.MetricTarget) string {
		return metricValue(t.AverageUtilization, t.AverageValue, t.Value)
	}
	switch {
	case m.Resource != nil:
		return string(m.Resource.Name), held(m.Resource.Target)
	case m.ContainerResource != nil:
		return containerMetric(m.ContainerResource.Container, string(m.ContainerResource.Name)), held(m.ContainerResource.Target)
	case m.Pods != nil:
		return "pods/" + m.Pods.Metric.Name, held(m.Pods.Target)
	case m.Object != nil:
		return "object/" + m.Object.Metric.Name, held(m.Object.Target)
	case m.External != nil:
		return "external/" + m.External.Metric.Name, held(m.External.Target)
	}
	return string(m.Type), ""
}

// metricNow is what a metric was found to be.
func metricNow(m autoscalingv2.MetricStatus) (name, now string) {
	found := func(v autoscalingv2.MetricValueStatus) string {
		return metricValue(v.AverageUtilization, v.AverageValue, v.Value)
	}
	switch {
	case m.Resource != nil:
		return string(m.Resource.Name), found(m.Resource.Current)
	case m.ContainerResource != nil:
		return containerMetric(m.ContainerResource.Container, string(m.ContainerResource.Name)), found(m.ContainerResource.Current)
	case m.Pods != nil:
		return "pods/" + m.Pods.Metric.Name, found(m.Pods.Current)
	case m.Object != nil:
		return "object/" + m.Object.Metric.Name, found(m.Object.Current)
	case m.External != nil:
		return "external/" + m.External.Metric.Name, found(m.External.Current)
	}
	return string(m.Type), ""
}

func containerMetric(container, resource string) string { return container + "/" + resource }

// metricValue is the one of three notations that is used; empty without any.
func metricValue(utilization *int32, average, value *resource.Quantity) string {
	switch {
	case utilization != nil:
		return fmt.Sprintf("%d%%", *utilization)
	case average != nil:
		return average.String()
	case value != nil:
		return value.String()
	}
	return ""
}

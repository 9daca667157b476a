package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
)

// autoscaler is an HPA of the catalog by its CPU.
func autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: scenarios.Namespace, Name: "catalog"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "catalog"},
			MinReplicas:    new(int32(2)), MaxReplicas: 6,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(60))},
			}}},
		},
	}
}

// decided is the HPA after it has looked at its metric.
func decided(current, desired, cpu int32) *autoscalingv2.HorizontalPodAutoscaler {
	hpa := autoscaler()
	hpa.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
		CurrentReplicas: current, DesiredReplicas: desired,
		CurrentMetrics: []autoscalingv2.MetricStatus{{Resource: &autoscalingv2.ResourceMetricStatus{
			Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: &cpu, AverageValue: resource.NewMilliQuantity(30, resource.DecimalSI)},
		}}},
		Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
			{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound", Message: "in words"},
			{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: "SucceededRescale"},
		},
	}
	return hpa
}

func TestAutoscalersAreRecordedWhenTheyChange(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	r.replaceHPAs(nil)
	r.seeHPA(autoscaler(), false)
	grown := decided(2, 5, 140)
	grown.Status.LastScaleTime = &metav1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
	r.seeHPA(grown, false)
	again := grown.DeepCopy()
	again.ResourceVersion, again.Status.Conditions[0].Message = "9", "in other words"
	r.seeHPA(again, false) // nothing new
	r.replaceHPAs(nil)     // it went while nobody looked
	r.replaceHPAs(nil)
	var seen []reports.HPAEntry
	for _, e := range record.all() {
		require.Equal(t, reports.KindHPA, e.Kind)
		seen = append(seen, *e.HPA)
	}
	fresh := reports.HPAEntry{Name: "catalog", Target: "Deployment/catalog", Min: 2, Max: 6, Metrics: []reports.HPAMetric{{Name: "cpu", Target: "60%"}}}
	at := time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)
	scaled := reports.HPAEntry{
		Name: "catalog", Target: "Deployment/catalog", Min: 2, Max: 6, Current: 2, Desired: 5, Scaled: &at,
		Metrics: []reports.HPAMetric{{Name: "cpu", Target: "60%", Now: "140%"}},
		Conditions: []reports.HPACondition{
			{Type: "AbleToScale", Status: "True", Reason: "SucceededRescale"}, {Type: "ScalingActive", Status: "True", Reason: "ValidMetricFound"},
		},
	}
	gone := scaled
	gone.Deleted = true
	assert.Equal(t, []reports.HPAEntry{fresh, scaled, gone}, seen)
}

func TestEveryKindOfMetricIsTold(t *testing.T) {
	hpa := autoscaler()
	value := autoscalingv2.MetricTarget{Value: resource.NewQuantity(7, resource.DecimalSI)}
	mean := autoscalingv2.MetricTarget{AverageValue: resource.NewMilliQuantity(500, resource.DecimalSI)}
	named := autoscalingv2.MetricIdentifier{Name: "requests"}
	hpa.Spec.MinReplicas = nil
	hpa.Spec.Metrics = []autoscalingv2.MetricSpec{
		{ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Container: "shop", Name: corev1.ResourceMemory, Target: mean}},
		{Pods: &autoscalingv2.PodsMetricSource{Metric: named, Target: mean}},
		{Object: &autoscalingv2.ObjectMetricSource{Metric: named, Target: value}},
		{External: &autoscalingv2.ExternalMetricSource{Metric: named, Target: value}},
		{Type: "Newest"},
	}
	now := autoscalingv2.MetricValueStatus{Value: resource.NewQuantity(9, resource.DecimalSI)}
	hpa.Status.CurrentMetrics = []autoscalingv2.MetricStatus{
		{External: &autoscalingv2.ExternalMetricStatus{Metric: named, Current: now}},
		{Object: &autoscalingv2.ObjectMetricStatus{Metric: named, Current: now}},
		{Pods: &autoscalingv2.PodsMetricStatus{Metric: named, Current: autoscalingv2.MetricValueStatus{AverageValue: resource.NewMilliQuantity(250, resource.DecimalSI)}}},
		{ContainerResource: &autoscalingv2.ContainerResourceMetricStatus{Container: "shop", Name: corev1.ResourceMemory}},
		{Type: "Unasked"},
	}
	got := hpaEntry(hpa, false)
	assert.Equal(t, 1, got.Min)
	assert.Equal(t, []reports.HPAMetric{
		{Name: "shop/memory", Target: "500m"}, {Name: "pods/requests", Target: "500m", Now: "250m"},
		{Name: "object/requests", Target: "7", Now: "9"}, {Name: "external/requests", Target: "7", Now: "9"}, {Name: "Newest"},
	}, got.Metrics)
}

func TestStatefulSetsDeclareAsDeploymentsDo(t *testing.T) {
	var record tape
	labels := map[string]string{"app": "catalog"}
	r := newRecorder(newClock(), record.add, []workloads.Role{
		{Name: "catalog", Namespace: scenarios.Namespace, Labels: labels, Desired: 3, Controller: "StatefulSet"},
	})
	set := func(name string, replicas *int32) *appsv1.StatefulSet {
		return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: scenarios.Namespace, Name: name}, Spec: appsv1.StatefulSetSpec{Replicas: replicas}}
	}
	sets := func(list ...*appsv1.StatefulSet) { replaceControllers(r, "StatefulSet", list, r.seeStatefulSet) }
	sets() // it is not there yet
	sets(set("catalog", new(int32(2))), set("other", new(int32(9))))
	r.seePod(ready("a", "1"), false)
	r.seeStatefulSet(set("catalog", nil), false)
	namesake := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: scenarios.Namespace, Name: "catalog"}, Spec: appsv1.DeploymentSpec{Replicas: new(int32(7))}}
	r.seeDeployment(namesake, false)                          // of another kind
	replaceControllers(r, "Deployment", nil, r.seeDeployment) // nothing of another kind is missed
	sets()                                                    // it was deleted while nobody looked
	sets()
	assert.Equal(t, []string{"catalog 0/2", "a Running", "catalog 1/2", "catalog 1/1", "catalog 1/3"}, lines(&record))
}

// Every kind is listed by the real typed clients, pods before the controllers
// whose states tell of them.
func TestSourcesListWhatTheyWatch(t *testing.T) {
	p := ready("a", "1")
	p.UID = "u"
	client := fake.NewClientset(p, decided(1, 4, 140),
		&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: scenarios.Namespace, Name: "catalog"}, Spec: appsv1.StatefulSetSpec{Replicas: new(int32(5))}})
	var record tape
	r := newRecorder(newClock(), record.add, []workloads.Role{
		{Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: 3, Controller: "StatefulSet"},
	})
	var whats []string
	for _, s := range r.sources(client) {
		_, err := s.look(t.Context())
		require.NoError(t, err)
		assert.False(t, s.aside, "%s: verdicts rest on it", s.what)
		whats = append(whats, s.what)
	}
	assert.Equal(t, []string{"pods", "deployments", "stateful sets", "endpoint slices", "nodes", "autoscalers"}, whats)
	assert.Equal(t, []string{"a Running", "catalog 1/3", "catalog 1/5"}, lines(&record))
	require.Len(t, r.hpas, 1)
	assert.Equal(t, 4, r.hpas["catalog"].Desired)
}

// An autoscaler that changes while the API is down is recorded once it is back,
// and what was missed is told.
func TestAutoscalersAfterTheAPIWasAway(t *testing.T) {
	var record tape
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(newClock(), record.add, nil)
		client := fake.NewClientset(decided(1, 1, 40))
		one := r.hpaSource(client)
		watching := one.watch
		forgot := false
		away := func() bool { return r.clock.now() > time.Second && r.clock.now() < 11*time.Second }
		one.watch = func(ctx context.Context, o metav1.ListOptions) (w watch.Interface, err error) {
			if away() {
				return nil, context.DeadlineExceeded
			}
			if r.clock.now() > time.Second && !forgot {
				forgot = true
				return nil, apierrors.NewResourceExpired("too old")
			}
			if w, err = watching(ctx, o); err == nil && r.clock.now() < time.Second {
				time.AfterFunc(time.Second+1-r.clock.now(), w.Stop)
			}
			return w, err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		version, err := one.look(ctx)
		require.NoError(t, err)
		go func() {
			time.Sleep(5 * time.Second)
			_, err := client.AutoscalingV2().HorizontalPodAutoscalers(scenarios.Namespace).Update(ctx, decided(1, 5, 160), metav1.UpdateOptions{})
			assert.NoError(t, err)
			time.Sleep(10 * time.Second)
			_, err = client.AutoscalingV2().HorizontalPodAutoscalers(scenarios.Namespace).Update(ctx, decided(5, 5, 50), metav1.UpdateOptions{})
			assert.NoError(t, err)
		}()
		r.follow(ctx, one, version)
	})
	var desired []int
	for _, e := range record.all() {
		if e.HPA != nil {
			desired = append(desired, e.HPA.Desired)
		}
	}
	assert.Equal(t, []int{1, 5, 5}, desired)
	require.Len(t, record.troubles(), 1)
	assert.Regexp(t, `^the cluster's API told nothing of its autoscalers for 10\.1s from 1\.00s of the run on \(too old\)`, record.troubles()[0].What)
}

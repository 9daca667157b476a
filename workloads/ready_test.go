package workloads

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

// readyPod is a pod of a role that is ready.
func readyPod(role Role, ordinal int) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", role.Name, ordinal), Namespace: role.Namespace, Labels: role.PodLabels},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}

// endpoints is the slice of a Service with so many endpoints that are ready,
// and one that is not.
func endpoints(service string, ready int) *discoveryv1.EndpointSlice {
	yes, no := true, false
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Name: service + "-x", Namespace: "pod-kill", Labels: map[string]string{discoveryv1.LabelServiceName: service},
	}}
	for i := range ready {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.0.0.%d", i)}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}})
	}
	slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0.99"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}})
	return slice
}

func TestWaitReadyFollowsPodsAndEndpoints(t *testing.T) {
	r := render(t, shopSpec())
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		client := fake.NewClientset(readyPod(r.Roles[0], 0), endpoints("gateway", 1), endpoints("catalog", 2))
		start := time.Now()
		go func() {
			for i := range 3 {
				time.Sleep(10 * time.Second)
				_, err := client.CoreV1().Pods("pod-kill").Create(ctx, readyPod(r.Roles[1], i), metav1.CreateOptions{})
				assert.NoError(t, err)
			}
			time.Sleep(5 * time.Second)
			_, err := client.DiscoveryV1().EndpointSlices("pod-kill").Update(ctx, endpoints("catalog", 3), metav1.UpdateOptions{})
			assert.NoError(t, err)
		}()
		require.NoError(t, WaitReady(ctx, client, r))
		assert.InDelta(t, 35, time.Since(start).Seconds(), 1, "the last endpoint counts")
		assert.Empty(t, Why(ctx, client, r))
	})
}

func TestWaitReadyFailsEarlyWhenItIsHopeless(t *testing.T) {
	cases := []struct {
		name    string
		change  func(*corev1.Pod)
		seconds float64
		want    string
	}{
		{"crash loop", waiting("CrashLoopBackOff", "", 2), 0,
			"workload \"shop\" does not come up: pod \"catalog-0\": container \"shop\" crashes again and again (exit code 2, Error; 2 restarts)\n" +
				"last lines of pod catalog-0, container shop, the run that crashed:\n  | fake logs"},
		{"no image", waiting("ErrImageNeverPull", "", 0), 0,
			`workload "shop" does not come up: pod "catalog-0" cannot start: node "worker-1" has no image "squall.local/shop:v1" and cannot get it (ErrImageNeverPull)`},
		{"no room", condition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/3 nodes are available"), 10,
			`workload "shop" does not come up: pod "catalog-0" fits on no node: 0/3 nodes are available`},
	}
	r := render(t, shopSpec())
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset(pod("catalog-0", c.change))
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := WaitReady(ctx, client, r)
				require.EqualError(t, err, c.want)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				assert.InDelta(t, c.seconds, time.Since(start).Seconds(), 1)
				for _, options := range logsAsked(client) {
					assert.True(t, options.Previous, "the run that crashed is shown")
					assert.Equal(t, int64(logLines), *options.TailLines)
				}
			})
		})
	}
}

func TestWaitReadySaysWhatItLastSaw(t *testing.T) {
	r := render(t, shopSpec())
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(readyPod(r.Roles[0], 0), endpoints("gateway", 1), pod("catalog-0", func(*corev1.Pod) {}))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := WaitReady(ctx, client, r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		lacks := `catalog has 0 of 3 pods ready, Service catalog has 0 of 3 endpoints ready; pod "catalog-0" runs but is not ready` +
			"\nlast lines of pod catalog-0, container shop:\n  | fake logs"
		require.EqualError(t, err, `workload "shop" does not come up: gave up after 20s (context deadline exceeded): `+lacks)
		assert.Equal(t, lacks, Why(t.Context(), client, r))
	})
}

func TestWaitReadyWithoutAnAPI(t *testing.T) {
	r := render(t, shopSpec())
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		client.PrependReactor("list", "*", func(k8stesting.Action) (bool, runtime.Object, error) {
			return true, nil, fmt.Errorf("connection refused")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := WaitReady(ctx, client, r)
		require.ErrorContains(t, err, "the cluster's API did not tell")
		require.ErrorContains(t, err, "connection refused")
		assert.Contains(t, Why(t.Context(), client, r), "connection refused")
	})
}

func TestPrintable(t *testing.T) {
	assert.Equal(t, "red[0m\tx", printable("red\x1b[0m\tx\r"))
	long := make([]byte, logWidth+5)
	for i := range long {
		long[i] = 'x'
	}
	assert.Len(t, []rune(printable(string(long))), logWidth+1)
}

// logsAsked are the options of the logs that were read.
func logsAsked(client *fake.Clientset) []*corev1.PodLogOptions {
	var asked []*corev1.PodLogOptions
	for _, action := range client.Actions() {
		if generic, ok := action.(k8stesting.GenericAction); ok && action.GetSubresource() == "log" {
			asked = append(asked, generic.GetValue().(*corev1.PodLogOptions))
		}
	}
	return asked
}

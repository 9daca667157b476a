package chaos_test

import (
	"testing"

	"squall/chaos"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func selecting(t *testing.T, selector string) *chaos.Object {
	t.Helper()
	return decode(t, `{"kind":"PodChaos","spec":{"action":"pod-kill","mode":"all","selector":`+selector+`}}`)
}

func TestMatchPod(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "squall", Name: "catalog-x",
			Labels:      map[string]string{"app": "catalog", "tier": "back", "empty": ""},
			Annotations: map[string]string{"team": "blue"}},
		Spec: corev1.PodSpec{NodeName: "w1", RestartPolicy: corev1.RestartPolicyAlways,
			SchedulerName: "default-scheduler", ServiceAccountName: "shop"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, NominatedNodeName: "w2",
			PodIPs: []corev1.PodIP{{IP: "10.1.0.4"}, {IP: "fd00::4"}}},
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "w1", Labels: map[string]string{"zone": "a"}}}
	for selector, want := range map[string]bool{
		`{}`:                                true,
		`{"namespaces":["squall"]}`:         true,
		`{"namespaces":["other"]}`:          false,
		`{"namespaces":["other","squall"]}`: true,

		`{"labelSelectors":{"app":"catalog"}}`:                true,
		`{"labelSelectors":{"app":"catalog","tier":"front"}}`: false,
		`{"labelSelectors":{"absent":""}}`:                    false,
		`{"labelSelectors":{"empty":""}}`:                     true,
		`{"annotationSelectors":{"team":"blue"}}`:             true,
		`{"annotationSelectors":{"team":"red"}}`:              false,
		`{"labelSelectors":{"app":"catalog"},"nodes":["w2"]}`: false,

		`{"expressionSelectors":[{"key":"app","operator":"In","values":["cart","catalog"]}]}`:          true,
		`{"expressionSelectors":[{"key":"app","operator":"NotIn","values":["catalog"]}]}`:              false,
		`{"expressionSelectors":[{"key":"absent","operator":"NotIn","values":["catalog"]}]}`:           true,
		`{"expressionSelectors":[{"key":"tier","operator":"Exists"}]}`:                                 true,
		`{"expressionSelectors":[{"key":"tier","operator":"DoesNotExist"}]}`:                           false,
		`{"labelSelectors":{"app":"catalog"},"expressionSelectors":[{"key":"x","operator":"Exists"}]}`: false,

		`{"nodes":["w1"]}`:                              true,
		`{"nodes":["w2","w3"]}`:                         false,
		`{"nodeSelectors":{"zone":"a"}}`:                true,
		`{"nodeSelectors":{"zone":"b"}}`:                false,
		`{"nodes":["w2"],"nodeSelectors":{"zone":"a"}}`: true, // either will do
		`{"nodes":["w1"],"nodeSelectors":{"zone":"b"}}`: true,

		`{"fieldSelectors":{"metadata.name":"catalog-x","metadata.namespace":"squall"}}`: true,
		`{"fieldSelectors":{"metadata.name":"catalog-y"}}`:                               false,
		`{"fieldSelectors":{"spec.nodeName":"w1","spec.restartPolicy":"Always"}}`:        true,
		`{"fieldSelectors":{"spec.schedulerName":"default-scheduler"}}`:                  true,
		`{"fieldSelectors":{"spec.serviceAccountName":"shop"}}`:                          true,
		`{"fieldSelectors":{"status.phase":"Pending"}}`:                                  false,
		`{"fieldSelectors":{"status.podIP":"10.1.0.4"}}`:                                 true,
		`{"fieldSelectors":{"status.podIP":"fd00::4"}}`:                                  false, // the first alone
		`{"fieldSelectors":{"status.nominatedNodeName":"w2"}}`:                           true,

		`{"podPhaseSelectors":["Running"]}`:              true,
		`{"podPhaseSelectors":["Pending","Running"]}`:    true,
		`{"podPhaseSelectors":["Pending","Failed"]}`:     false,
		`{"podPhaseSelectors":["!Running"]}`:             false,
		`{"podPhaseSelectors":["!Pending"]}`:             true,
		`{"podPhaseSelectors":["Running","!Running"]}`:   false,
		`{"podPhaseSelectors":["Pending","!Succeeded"]}`: false,

		`{"pods":{"squall":["catalog-x"]}}`:                        true,
		`{"pods":{"squall":["catalog-y"]}}`:                        false,
		`{"pods":{"other":["catalog-x"]}}`:                         false,
		`{"pods":{"squall":["catalog-x"]},"namespaces":["other"]}`: true, // pods alone count
	} {
		assert.Equal(t, want, selecting(t, selector).In("squall").MatchPod(pod, node), selector)
	}

	assert.False(t, selecting(t, `{}`).MatchPod(pod, node), "without a namespace nothing is selected")
	assert.False(t, selecting(t, `{"nodeSelectors":{"zone":"a"}}`).In("squall").MatchPod(pod, nil))
	assert.True(t, selecting(t, `{"nodes":["w1"]}`).In("squall").MatchPod(pod, nil))
	elsewhere := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "w9", Labels: node.Labels}}
	assert.False(t, selecting(t, `{"nodeSelectors":{"zone":"a"}}`).In("squall").MatchPod(pod, elsewhere))
}

func TestMatchTemplate(t *testing.T) {
	template := chaos.Template{Namespace: "squall", Role: "catalog",
		Labels: map[string]string{"app": "catalog"}, Annotations: map[string]string{"team": "blue"}}
	for selector, want := range map[string]bool{
		`{}`:                                     true,
		`{"labelSelectors":{"app":"catalog"}}`:   true,
		`{"labelSelectors":{"app":"cart"}}`:      false,
		`{"annotationSelectors":{"team":"red"}}`: false,
		`{"namespaces":["other"]}`:               false,
		`{"namespaces":["squall"]}`:              true,
		`{"expressionSelectors":[{"key":"app","operator":"NotIn","values":["catalog"]}]}`: false,

		// What only the live cluster can tell counts as possibly right.
		`{"nodes":["w9"],"nodeSelectors":{"zone":"z"}}`:                             true,
		`{"podPhaseSelectors":["Failed"]}`:                                          true,
		`{"fieldSelectors":{"metadata.name":"x"}}`:                                  true,
		`{"pods":{"squall":["x"]}}`:                                                 true,
		`{"pods":{"other":["x"]}}`:                                                  false,
		`{"expressionSelectors":[{"key":"pod-template-hash","operator":"Exists"}]}`: true,
		`{"expressionSelectors":[{"key":"colour","operator":"Exists"}]}`:            false,

		// One selector that cannot hold is enough.
		`{"nodes":["w9"],"labelSelectors":{"app":"cart"}}`: false,
	} {
		assert.Equal(t, want, selecting(t, selector).MatchTemplate(template), selector)
	}
	template.Labels = map[string]string{"pod-template-hash": "1"}
	assert.False(t, selecting(t, `{"labelSelectors":{"pod-template-hash":"2"}}`).MatchTemplate(template),
		"a label that the template itself sets is known")
}

func TestCount(t *testing.T) {
	highest := func(n int) int { return n - 1 }
	lowest := func(int) int { return 0 }
	type made struct {
		mode, value string
		draw        func(int) int
	}
	for in, want := range map[*made]struct {
		count chaos.Count
		of    map[int]int // live → hit
	}{
		{"one", "", nil}:              {chaos.Count{Mode: "one", Pods: 1}, map[int]int{0: 0, 1: 1, 5: 1}},
		{"all", "", nil}:              {chaos.Count{Mode: "all"}, map[int]int{0: 0, 1: 1, 5: 5}},
		{"fixed", "3", nil}:           {chaos.Count{Mode: "fixed", Pods: 3}, map[int]int{0: 0, 2: 2, 3: 3, 5: 3}},
		{"fixed-percent", "1", nil}:   {chaos.Count{Mode: "fixed-percent", Percent: 1}, map[int]int{0: 0, 1: 1, 100: 1, 101: 2}},
		{"fixed-percent", "50", nil}:  {chaos.Count{Mode: "fixed-percent", Percent: 50}, map[int]int{1: 1, 2: 1, 3: 2, 5: 3}},
		{"fixed-percent", "100", nil}: {chaos.Count{Mode: "fixed-percent", Percent: 100}, map[int]int{1: 1, 7: 7}},
		// Both ends of the draw: nobody, and the whole share.
		{"random-max-percent", "40", lowest}:  {chaos.Count{Mode: "random-max-percent"}, map[int]int{5: 0}},
		{"random-max-percent", "40", highest}: {chaos.Count{Mode: "random-max-percent", Percent: 40}, map[int]int{5: 2, 6: 3}},
	} {
		value := ""
		if in.value != "" {
			value = `,"value":"` + in.value + `"`
		}
		object := decode(t, `{"kind":"PodChaos","spec":{"action":"pod-kill","selector":{},"mode":"`+in.mode+`"`+value+`}}`)
		mode, written := object.Mode()
		assert.Equal(t, [2]string{in.mode, in.value}, [2]string{mode, written})
		got := object.Count(in.draw)
		assert.Equal(t, want.count, got)
		for live, hit := range want.of {
			assert.Equal(t, hit, got.Of(live), "%+v of %d", got, live)
		}
	}
}

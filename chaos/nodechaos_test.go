package chaos_test

import (
	"testing"

	"squall/chaos"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDecodeNodeChaos(t *testing.T) {
	object := decode(t, powerOff)
	assert.Equal(t, "NodeChaos power-off", object.Describe())
	assert.Equal(t, "30s", object.Duration().String())
	assert.True(t, object.HitsNodes())
	assert.Same(t, object, object.In("squall"), "nodes are in no namespace")
	assert.JSONEq(t, `{"apiVersion":"squall.dev/v1alpha1","kind":"NodeChaos",
		"spec":{"action":"power-off","mode":"one","duration":"30s","selector":{"roles":["worker"]}}}`, string(object.Raw))
	assert.Equal(t, string(object.Raw), string(decode(t, string(object.Raw)).Raw))
	assert.Zero(t, decode(t, `{"kind":"NodeChaos","spec":{"action":"stop","mode":"one","selector":{}}}`).Duration())
	assert.Equal(t, chaos.Count{Mode: "fixed", Pods: 2},
		decode(t, `{"kind":"NodeChaos","spec":{"action":"stop","mode":"fixed","value":"2","selector":{}}}`).Count(nil))
	assert.False(t, decode(t, podKill).HitsNodes())
}

func TestMatchNode(t *testing.T) {
	nodes := []struct {
		template chaos.NodeTemplate
		node     *corev1.Node
	}{
		{chaos.NodeTemplate{Role: "control-plane"}, labelled("node-role.kubernetes.io/control-plane", "")},
		{chaos.NodeTemplate{Role: "control-plane", Ordinal: 1}, labelled("node-role.kubernetes.io/control-plane", "")},
		{chaos.NodeTemplate{Role: "worker"}, labelled("zone", "a")},
		{chaos.NodeTemplate{Role: "worker", Ordinal: 1}, labelled("zone", "b")},
	}
	for selector, want := range map[string]struct{ planned, live []string }{
		`{}`:                     {[]string{"control-plane/1", "worker/0", "worker/1"}, []string{"control-plane/1", "worker/0", "worker/1"}},
		`{"roles":["worker"]}`:   {[]string{"worker/0", "worker/1"}, []string{"worker/0", "worker/1"}},
		`{"nodes":["worker/1"]}`: {[]string{"worker/1"}, []string{"worker/1"}},
		`{"nodes":["worker/7"]}`: {},
		`{"roles":["control-plane","worker"],"labelSelectors":{"zone":"a"}}`:                                  {[]string{"control-plane/1", "worker/0", "worker/1"}, []string{"worker/0"}},
		`{"labelSelectors":{"node-role.kubernetes.io/control-plane":""}}`:                                     {[]string{"control-plane/1"}, []string{"control-plane/1"}},
		`{"expressionSelectors":[{"key":"node-role.kubernetes.io/control-plane","operator":"DoesNotExist"}]}`: {[]string{"worker/0", "worker/1"}, []string{"worker/0", "worker/1"}},
	} {
		object := decode(t, `{"kind":"NodeChaos","spec":{"action":"stop","mode":"all","selector":`+selector+`}}`)
		var planned, live []string
		for _, n := range nodes {
			if object.MatchNodeTemplate(n.template) {
				planned = append(planned, n.template.String())
			}
			if object.MatchNode(n.template, n.node) {
				live = append(live, n.template.String())
			}
		}
		assert.Equal(t, want.planned, planned, selector)
		assert.Equal(t, want.live, live, selector)
		assert.False(t, object.MatchTemplate(chaos.Template{Namespace: "squall", Role: "catalog"}))
		assert.False(t, object.MatchPod(&corev1.Pod{}, nil))
	}
	assert.False(t, decode(t, podKill).MatchNodeTemplate(nodes[2].template))
	assert.Equal(t, []string{"worker/1"}, decode(t, `{"kind":"NodeChaos","spec":{"action":"stop","mode":"all","selector":{"nodes":["worker/1"]}}}`).NamedNodes())
}

func labelled(key, value string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{key: value}}}
}

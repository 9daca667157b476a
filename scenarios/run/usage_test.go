package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// summaryOfKubelet is what a kubelet answers, without what is not read. The second
// and the third pod were not measured yet, the fourth is not the scenario's.
const summaryOfKubelet = `{
	"node": {"nodeName": "worker-1", "cpu": {"time": "2026-01-02T03:04:05Z", "usageNanoCores": 250000000, "usageCoreNanoSeconds": 9}, "memory": {"workingSetBytes": 1048576}},
	"pods": [
		{"podRef": {"name": "b", "namespace": "squall", "uid": "uid-b"}, "cpu": {"usageNanoCores": 20000000}, "memory": {"workingSetBytes": 2000}},
		{"podRef": {"name": "new", "namespace": "squall", "uid": "uid-new"}, "cpu": {"time": "2026-01-02T03:04:05Z"}, "memory": {"workingSetBytes": 2000}},
		{"podRef": {"name": "newest", "namespace": "squall", "uid": "uid-newest"}, "cpu": {"usageNanoCores": 0}, "memory": {"workingSetBytes": 0}},
		{"podRef": {"name": "coredns", "namespace": "kube-system", "uid": "uid-c"}, "cpu": {"usageNanoCores": 1}, "memory": {"workingSetBytes": 1}},
		{"podRef": {"name": "a", "namespace": "squall", "uid": "nobody's"}, "cpu": {"usageNanoCores": 0}, "memory": {"workingSetBytes": 1}}
	]
}`

func TestUsageIsAskedOfEveryNodeAtOnce(t *testing.T) {
	var record tape
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(newClock(), record.add, []workloads.Role{{Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}}})
		r.replaceNodes([]*corev1.Node{machine("worker-2"), machine("worker-1"), machine("worker-3"), machine("worker-4"), machine("worker-5"), machine("worker-6")})
		r.seeNode(machine("worker-5"), true)
		r.seePod(ready("b", "1"), false)
		time.Sleep(time.Second)
		r.recordUsage(t.Context(), func(ctx context.Context, node string) ([]byte, error) {
			switch node {
			case "worker-1":
				time.Sleep(time.Second)
				return []byte(summaryOfKubelet), nil
			case "worker-2":
				<-ctx.Done()
				return nil, ctx.Err()
			case "worker-3":
				return nil, errors.New(strings.Repeat("x", 2*maxUnread))
			}
			if node == "worker-4" {
				return []byte(`{"node": {"cpu": {}}, "pods": [{}]}`), nil
			}
			return []byte(`{"node": {"cpu": {"usageNanoCores": 0}, "memory": {"workingSetBytes": 1}}}`), nil
		})
		assert.Equal(t, time.Second+usageLimit, r.clock.now())
	})
	var seen []reports.UsageEntry
	for _, e := range record.all() {
		if e.Usage != nil {
			assert.Equal(t, time.Second, e.At, "a round is one moment")
			seen = append(seen, *e.Usage)
		}
	}
	require.Len(t, seen, 5)
	assert.Equal(t, []reports.UsageEntry{
		{Node: "worker-1", CPU: 0.25, Memory: 1 << 20, Pods: []reports.PodUsage{
			{Pod: "squall/a", Memory: 1}, {Pod: "squall/b", Role: "catalog", CPU: 0.02, Memory: 2000},
		}},
		{Node: "worker-2", Unread: "no answer within 2s"},
	}, seen[:2])
	assert.Len(t, []rune(seen[2].Unread), maxUnread)
	for _, e := range seen[3:] {
		assert.Equal(t, reports.UsageEntry{Node: e.Node, Unread: "its kubelet has not measured it yet"}, e)
	}
}

// A run that ends in the middle of a round does not take its end for silence.
func TestUsageOfAnEndingRunIsNotTold(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	r.replaceNodes([]*corev1.Node{machine("worker-1")})
	ctx, cancel := context.WithCancel(t.Context())
	r.recordUsage(ctx, func(context.Context, string) ([]byte, error) {
		cancel()
		return nil, ctx.Err()
	})
	for _, e := range record.all() {
		assert.Nil(t, e.Usage)
	}
}

// requireUsage holds that every node was asked what it uses, that one answered
// with figures, and that those of a node hold its pods'.
func requireUsage(t *testing.T, rec *reports.Record) {
	t.Helper()
	asked, told := map[string]bool{}, 0
	for _, e := range rec.Entries {
		if e.Kind != reports.KindUsage {
			continue
		}
		asked[e.Usage.Node] = true
		if e.Usage.Unread != "" {
			assert.Equal(t, "its kubelet has not measured it yet", e.Usage.Unread)
			continue
		}
		told++
		assert.Positive(t, e.Usage.CPU)
		for _, pod := range e.Usage.Pods {
			assert.Contains(t, []string{"gateway", "catalog"}, pod.Role)
			assert.Less(t, pod.Memory, e.Usage.Memory)
		}
	}
	assert.Len(t, asked, 3)
	assert.Positive(t, told)
}

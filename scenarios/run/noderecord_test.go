package run

import (
	"testing"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// machine is a node with conditions.
func machine(name string, conditions ...corev1.NodeCondition) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Conditions: conditions}}
}

func condition(what corev1.NodeConditionType, status corev1.ConditionStatus, reason string) corev1.NodeCondition {
	return corev1.NodeCondition{Type: what, Status: status, Reason: reason}
}

func TestNodesAreRecordedWhenTheyChange(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	well := machine("worker-1", condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
		condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"))
	r.replaceNodes([]*corev1.Node{well})
	heartbeat := well.DeepCopy()
	heartbeat.Status.Conditions[1].LastHeartbeatTime = metav1.Now()
	r.seeNode(heartbeat, false)

	silent := machine("worker-1", condition(corev1.NodeReady, corev1.ConditionUnknown, "NodeStatusUnknown"),
		condition(corev1.NodePIDPressure, corev1.ConditionTrue, ""), condition(corev1.NodeMemoryPressure, corev1.ConditionUnknown, "NodeStatusUnknown"))
	silent.Labels = map[string]string{controlPlaneRole: ""}
	silent.Spec = corev1.NodeSpec{Unschedulable: true, Taints: []corev1.Taint{
		{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}, {Key: "a", Value: "b", Effect: corev1.TaintEffectNoSchedule},
	}}
	r.seeNode(silent, false)
	r.replaceNodes(nil)
	r.replaceNodes(nil)
	r.seeNode(well, true) // it was seen gone by then as another
	var seen []reports.NodeEntry
	for _, e := range record.all() {
		seen = append(seen, *e.Node)
	}
	unknown := reports.NodeEntry{
		Name: "worker-1", ControlPlane: true, Status: "Unknown", Reason: "NodeStatusUnknown",
		Pressure: []string{"MemoryPressure", "PIDPressure"}, Taints: []string{"a=b:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"}, Unschedulable: true,
	}
	gone := unknown
	gone.Deleted = true
	assert.Equal(t, []reports.NodeEntry{
		{Name: "worker-1", Ready: true, Status: "True", Reason: "KubeletReady"}, unknown, gone,
		{Name: "worker-1", Status: "True", Reason: "KubeletReady", Deleted: true},
	}, seen)
}

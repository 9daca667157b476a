package hostroom

import (
	"testing"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestWorkersMustFitIntoTheHost(t *testing.T) {
	m := Memory{Total: 16 << 30, Available: 8 << 30}
	spec := cluster.Spec{Workers: 3, NodeMemory: resource.MustParse("2Gi")}
	assert.NoError(t, m.Check(spec))
	spec.Workers = 4
	err := m.Check(spec)
	assert.ErrorContains(t, err, "4 workers of 2Gi of memory")
	assert.ErrorContains(t, err, "8.0 GiB available")
	assert.ErrorContains(t, err, "enough for 3 such workers")
	spec.NodeMemory = resource.Quantity{}
	assert.NoError(t, m.Check(spec), "not held to a size")
	spec.Workers, spec.NodeMemory = 2, resource.MustParse("4Ei")
	assert.ErrorContains(t, m.Check(spec), "enough for 0 such workers", "together more than a number holds")
	assert.EqualValues(t, 3, m.Workers(2<<30, 15))
	assert.EqualValues(t, 2, m.Workers(2<<30, 2))
	assert.EqualValues(t, 15, m.Workers(0, 15), "not held to a size")
	assert.Zero(t, Memory{Available: 1 << 20}.Workers(2<<30, 15))
}

func TestOneMoreWorkerMustFitIntoTheHost(t *testing.T) {
	m := Memory{Total: 16 << 30, Available: 3 << 30}
	assert.NoError(t, m.CheckOneMore(6, 2<<30))
	err := m.CheckOneMore(7, 2<<30)
	assert.ErrorIs(t, err, cluster.ErrHost, "the others have not used theirs yet")
	assert.ErrorContains(t, err, "room for 7 such workers in all")
	assert.ErrorIs(t, m.CheckOneMore(1, 4<<30), cluster.ErrHost, "not available now")
	assert.NoError(t, m.CheckOneMore(15, 0), "not held to a size")
}

func TestNodesHaveNoMoreProcessorsThanTheHost(t *testing.T) {
	assert.NoError(t, CheckProcessors(cluster.Spec{NodeCPU: resource.MustParse("1")}))
	assert.ErrorContains(t, CheckProcessors(cluster.Spec{NodeCPU: resource.MustParse("4096")}), "this host has")
}

func TestTheKernelTellsTheMemory(t *testing.T) {
	m, err := ReadMemory()
	assert.NoError(t, err)
	assert.Positive(t, m.Available)
	assert.Less(t, m.Available, m.Total)
}

func TestWatchersOfAClusterAreCounted(t *testing.T) {
	w := Watchers{Node: 10, ControlPlane: 5}
	assert.Equal(t, 35, w.Of(cluster.Spec{Workers: 2}))
	assert.Equal(t, 55, w.Of(cluster.Spec{Workers: 1, ControlPlanes: 3}))
	assert.ErrorContains(t, w.Check(cluster.Spec{Workers: 1 << 20}), "sysctl -w fs.inotify.max_user_instances=1024")
	assert.NoError(t, w.Check(cluster.Spec{Workers: 1}), "what was taken to count is given back")
}

package scenarios_test

import (
	"testing"
	"time"

	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// withContainers is a controller with containers.
func withContainers(containers ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "spec": map[string]any{
		"template": map[string]any{"spec": map[string]any{"containers": containers}},
	}}}
}

func TestARolloutChangesOneContainerAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	side := map[string]any{"name": "side", "image": "side:v1"}
	object := withContainers(side, map[string]any{"name": "shop", "image": "shop:v1", "env": []any{
		map[string]any{"name": "KEPT", "value": "1"},
		map[string]any{"name": "FROM", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}},
	}})
	before := object.DeepCopy()
	change, err := scenarios.Rollout{Container: "shop", Image: "shop:v2", Env: map[string]string{"NEW": "b", "FROM": "a", "MORE": ""}}.Change(object, time.Time{})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
		side, map[string]any{"name": "shop", "image": "shop:v2", "env": []any{
			map[string]any{"name": "KEPT", "value": "1"}, map[string]any{"name": "FROM", "value": "a"},
			map[string]any{"name": "MORE", "value": ""}, map[string]any{"name": "NEW", "value": "b"},
		}},
	}}}}}, change)
	assert.Equal(t, before, object, "the object is left alone")

	_, err = scenarios.Rollout{Container: "shop", Image: "shop:v2"}.Change(withContainers(side), time.Time{})
	require.ErrorContains(t, err, `no container "shop"`)

	change, err = scenarios.Rollout{Restart: true}.Change(object, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{
		"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05.000000006Z",
	}}}}}, change)
}

package settings

import (
	"testing"

	"squall/cluster"
	"squall/cluster/components"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatAScenarioSaysCountsMost(t *testing.T) {
	timers, err := cluster.FastTimers.Set()
	require.NoError(t, err)
	s := Settings{
		Fast: true, Timers: timers,
		Gates: map[string]map[string]bool{"kube-controller-manager": {"B": false, "A": true}},
		Flags: map[string]map[string]string{"kube-controller-manager": {"node-monitor-period": "7s"}},
	}
	base := map[string]string{"own": "1", "node-monitor-grace-period": "1h"}
	all := s.Over("kube-controller-manager", base)
	assert.Equal(t, "1", all["own"])
	assert.Equal(t, "7s", all["node-monitor-period"])
	assert.NotEqual(t, "1h", all["node-monitor-grace-period"])
	assert.Equal(t, "A=true,B=false", all["feature-gates"])
	assert.Len(t, base, 2, "what was given stays as it was")
	assert.Empty(t, Settings{}.Over("kubelet", nil))
}

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := Resolve(t.Context(), components.Tree{}, cluster.Spec{
		Timers: "slow", Without: []cluster.Part{"kitchen"},
		Flags: map[string]map[string]string{"kube-proxy": {"v": "2"}, "kubectl": {"v": "2"}},
	}, func(string) map[string]bool { return nil })
	for _, part := range []string{"slow", `"kitchen"`, "flags of kube-proxy", `no component "kubectl"`} {
		assert.ErrorContains(t, err, part)
	}
}

func TestNamesThatAreMeant(t *testing.T) {
	all := map[string]bool{"node-monitor-period": true, "v": false}
	assert.Equal(t, "; there is node-monitor-period", like("node-monitor-perod", all))
	assert.Empty(t, like("quite-another", map[string]bool{"node-monitor-period": true}))
}

package chaos_test

import (
	"testing"

	"squall/chaos"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNodesAreDecodedAsThoseOfANodeChaos(t *testing.T) {
	t.Parallel()
	o, err := chaos.DecodeNodes("drain", []byte(`{"mode":"fixed","value":"2","selector":{"roles":["worker"]}}`))
	require.NoError(t, err)
	assert.Equal(t, "drain", o.Describe())
	assert.True(t, o.HitsNodes())
	assert.Equal(t, chaos.Count{Mode: "fixed", Pods: 2}, o.Count(nil))
	assert.True(t, o.MatchNodeTemplate(chaos.NodeTemplate{Role: chaos.RoleWorker, Ordinal: 3}))
	assert.False(t, o.MatchNodeTemplate(chaos.NodeTemplate{Role: chaos.RoleControlPlane, Ordinal: 1}))
	assert.Zero(t, o.Duration())
	_, err = o.Fault()
	require.ErrorContains(t, err, "drain is no fault")

	_, err = chaos.DecodeNodes("drain", []byte(`{"mode":"some","value":"2","selector":{"roles":["master"],"nodes":["worker-1"]},"moode":1}`))
	require.Error(t, err)
	for _, says := range []string{
		"mode: \"some\"", `selector.roles[0]: "master" is no role of a node`, `selector.nodes[0]: "worker-1" names no node`, "moode: ",
	} {
		assert.Contains(t, "\n"+err.Error(), "\n"+says)
	}
	_, err = chaos.DecodeNodes("drain", []byte(`{"mode":"one"}`))
	require.EqualError(t, err, "selector: must be given; {} selects every node but the client host")
}

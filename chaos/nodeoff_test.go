package chaos_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/chaos/chaostest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests are about the logic of NodeChaos, as those of pod-kill are.

func switcher(t *testing.T, action string) chaos.Undoer {
	t.Helper()
	fault, err := decode(t, `{"kind":"NodeChaos","spec":{"action":"`+action+`","mode":"all","selector":{}}}`).Fault()
	require.NoError(t, err)
	assert.Equal(t, chaos.Held, fault.Class())
	undoer, ok := fault.(chaos.Undoer)
	require.True(t, ok)
	return undoer
}

func TestNodeOff(t *testing.T) {
	for _, action := range []string{"stop", "power-off"} {
		synctest.Test(t, func(t *testing.T) {
			c := chaostest.NewCluster(0)
			fault := switcher(t, action)
			require.NoError(t, fault.Inject(t.Context(), c.Env(), c.NodeVictims()))
			assert.Equal(t, []string{action + " w1", action + " w2"}, c.Acts())
			evidence, err := fault.Prove(t.Context(), c.Env(), c.NodeVictims())
			require.NoError(t, err)
			assert.Equal(t,
				"worker/0 (node w1): no sign of life from its kubelet for 2.00s, from 0.25s on: no route to host; "+
					"worker/1 (node w2): no sign of life from its kubelet for 2.00s, from 0.25s on: no route to host", evidence)
			begun := time.Now()
			require.NoError(t, fault.Undo(t.Context(), c.Env(), c.NodeVictims()))
			require.NoError(t, fault.ProveGone(t.Context(), c.Env(), c.NodeVictims()))
			assert.Equal(t, 750*time.Millisecond, time.Since(begun), "not before it is back")
		})
	}
}

// TestNodeOffThatIsLeft has a node stay away while the API still calls it Ready.
func TestNodeOffThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chaostest.NewCluster(0)
		c.BackAfter = -1
		fault := switcher(t, "power-off")
		require.NoError(t, fault.Inject(t.Context(), c.Env(), c.NodeVictims()[:1]))
		require.NoError(t, fault.Undo(t.Context(), c.Env(), c.NodeVictims()[:1]))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := fault.ProveGone(ctx, c.Env(), c.NodeVictims()[:1])
		require.ErrorContains(t, err, "worker/0 (node w1) is not back: the API knows of no boot of it since")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestNodeOffOfOthers aims at nodes that must be left alone, beside one that
// could be hit: none is.
func TestNodeOffOfOthers(t *testing.T) {
	c := chaostest.NewCluster(0)
	for name, one := range map[string]struct {
		change func(*chaos.Victim)
		says   string
	}{
		"another": {func(v *chaos.Victim) { v.UID = "the-one-before" }, "cannot power-off worker/1 (node w2): another node has its name now"},
		"no such": {func(v *chaos.Victim) { v.Node = "w9" }, "cannot power-off worker/1 (node w9): there is no such node"},
	} {
		victims := c.NodeVictims()
		one.change(&victims[1])
		require.ErrorContains(t, switcher(t, "power-off").Inject(t.Context(), c.Env(), victims), one.says, name)
	}
	assert.Empty(t, c.Acts())

	synctest.Test(t, func(t *testing.T) {
		c := chaostest.NewCluster(0)
		require.NoError(t, c.PowerOff(t.Context(), "w2"))
		time.Sleep(time.Second)
		err := switcher(t, "power-off").Inject(t.Context(), c.Env(), c.NodeVictims())
		require.ErrorContains(t, err, "worker/1 (node w2): it gave no sign of life before the fault (no route to host), so its silence would prove nothing")
		assert.Equal(t, []string{"power-off w2"}, c.Acts())
	})
}

// hearing is an observer whose answers are told one after the other, then the
// last one for ever.
type hearing struct {
	chaos.Observer
	told *[]error // nil: it answers; errSilent: it does not; else it cannot be asked
}

var errSilent = errors.New("silent")

func (h hearing) AskNode(context.Context, string) (bool, string, error) {
	one := (*h.told)[0]
	if len(*h.told) > 1 {
		*h.told = (*h.told)[1:]
	}
	switch {
	case one == nil:
		return true, "ok", nil
	case errors.Is(one, errSilent):
		return false, "silent", nil
	}
	return false, "", one
}

// TestNodeOffNeedsSilence has a node, or the way to it, falter for less than
// what counts as silence.
func TestNodeOffNeedsSilence(t *testing.T) {
	lost := errors.New("the API is away")
	for name, one := range map[string]struct {
		told []error
		says string
	}{
		"silent for a second":   {[]error{nil, errSilent, errSilent, errSilent, errSilent, nil}, "it still answered: ok"},
		"nobody could be asked": {[]error{errSilent, errSilent, errSilent, errSilent, lost}, "it cannot be asked for a sign of life: the API is away"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := chaostest.NewCluster(0)
			env := c.Env()
			env.Observer = hearing{c, &one.told}
			evidence, err := switcher(t, "stop").Prove(t.Context(), env, c.NodeVictims()[:1])
			require.ErrorContains(t, err, one.says, name)
			assert.Empty(t, evidence)
		})
	}
}

package chaostest_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/chaos/chaostest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// brake is a lasting fault made for these tests: it is right in every way
// until one of its defects is switched on.
type brake struct {
	class                                        chaos.Lease
	deaf, liar, quitter, mute                    bool // in Prove
	eager, careless, idle                        bool // in Inject
	emptyHanded                                  bool // with no victims
	undoOnce, undoNothing, forgetful, goneAtOnce bool // in Undo and ProveGone

	mu     *sync.Mutex
	on     map[string]bool
	undone *int
}

func newBrake() brake {
	return brake{class: chaos.Held, mu: &sync.Mutex{}, on: map[string]bool{}, undone: new(int)}
}

func (b brake) Class() chaos.Lease { return b.class }

func (b brake) Inject(ctx context.Context, env chaos.Env, victims []chaos.Victim) error {
	if len(victims) == 0 && !b.emptyHanded {
		return errors.New("no victims")
	}
	if ctx.Err() != nil && !b.eager {
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range victims {
		n, err := env.Observer.PodProcesses(ctx, v.Node, v.UID)
		if (err != nil || n == 0) && !b.careless {
			return errors.New("no such pod")
		}
		b.on[v.Pod] = !b.idle
	}
	return nil
}

func (b brake) holds() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for on := range maps.Values(b.on) {
		if on {
			return true
		}
	}
	return false
}

func (b brake) wait(ctx context.Context, want bool) error {
	for b.holds() != want {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func (b brake) Prove(ctx context.Context, _ chaos.Env, victims []chaos.Victim) (string, error) {
	switch {
	case b.liar:
		return "surely", nil
	case b.deaf:
		time.Sleep(time.Minute)
	case b.quitter && !b.holds():
		return "", errors.New("not now")
	case len(victims) == 0:
		return "", errors.New("no victims")
	}
	if err := b.wait(ctx, true); err != nil || b.mute {
		return "", err
	}
	return "seen", nil
}

func (b brake) Undo(context.Context, chaos.Env, []chaos.Victim) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.on) == 0 && b.undoNothing {
		return errors.New("nothing to undo")
	}
	if len(b.on) > 0 {
		*b.undone++
	}
	if *b.undone > 1 && b.undoOnce {
		return errors.New("undone before")
	}
	for pod := range b.on {
		b.on[pod] = b.forgetful
	}
	return nil
}

func (b brake) ProveGone(ctx context.Context, _ chaos.Env, _ []chaos.Victim) error {
	if b.goneAtOnce {
		return nil
	}
	return b.wait(ctx, false)
}

// withoutUndo hides the undo of a fault.
type withoutUndo struct{ b brake }

func (w withoutUndo) Class() chaos.Lease { return w.b.Class() }
func (w withoutUndo) Inject(ctx context.Context, e chaos.Env, v []chaos.Victim) error {
	return w.b.Inject(ctx, e, v)
}
func (w withoutUndo) Prove(ctx context.Context, e chaos.Env, v []chaos.Victim) (string, error) {
	return w.b.Prove(ctx, e, v)
}

// run runs the suite on a fresh cluster, in a bubble whose clock does not wait.
func run(t *testing.T, make func() chaos.Fault, change func(*chaostest.Cluster)) error {
	t.Helper()
	return runOn(t, make, (*chaostest.Cluster).Victims, change)
}

// runOn is run on other victims.
func runOn(t *testing.T, make func() chaos.Fault, victims func(*chaostest.Cluster) []chaos.Victim, change func(*chaostest.Cluster)) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := chaostest.NewCluster(3)
		if change != nil {
			change(c)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err = chaostest.Run(ctx, make(), c.Env(), victims(c))
		time.Sleep(2 * time.Minute) // on the bubble's clock: a call that overstays may end
	})
	return err
}

func TestPodKillPasses(t *testing.T) {
	object, err := chaos.Decode([]byte(`{"kind":"PodChaos","spec":{"action":"pod-kill","mode":"all","selector":{}}}`))
	require.NoError(t, err)
	fault, err := object.Fault()
	require.NoError(t, err)
	require.NoError(t, run(t, func() chaos.Fault { return fault }, nil))

	// The same fault against a kubelet that never ends the containers, and
	// against a watch that never tells.
	err = run(t, func() chaos.Fault { return fault }, func(c *chaostest.Cluster) { c.DeadAfter = -1 })
	require.ErrorContains(t, err, "the injection is proven: injected, but not proven: ")
	err = run(t, func() chaos.Fault { return fault }, func(c *chaostest.Cluster) { c.GoneAfter = -1 })
	require.ErrorContains(t, err, "the injection is proven: injected, but not proven: ")
}

func TestNodeChaosPasses(t *testing.T) {
	for _, action := range []string{"stop", "power-off"} {
		make := func() chaos.Fault {
			object, err := chaos.Decode([]byte(`{"kind":"NodeChaos","spec":{"action":"` + action + `","mode":"all","selector":{}}}`))
			require.NoError(t, err)
			fault, err := object.Fault()
			require.NoError(t, err)
			return fault
		}
		require.NoError(t, runOn(t, make, (*chaostest.Cluster).NodeVictims, nil))

		// The same faults on nodes that go on answering, and that stay away.
		err := runOn(t, make, (*chaostest.Cluster).NodeVictims, func(c *chaostest.Cluster) { c.SilentAfter = -1 })
		require.ErrorContains(t, err, "the injection is proven: injected, but not proven: ")
		err = runOn(t, make, (*chaostest.Cluster).NodeVictims, func(c *chaostest.Cluster) { c.BackAfter = -1 })
		require.ErrorContains(t, err, "the undo is proven: undone, but not proven gone: ")
	}
}

func TestSoundFaultPasses(t *testing.T) {
	require.NoError(t, run(t, func() chaos.Fault { return newBrake() }, nil))
	require.NoError(t, run(t, func() chaos.Fault { b := newBrake(); b.class = chaos.Instant; return withoutUndo{b} }, nil))
}

func TestEveryDefectIsFound(t *testing.T) {
	defects := map[string]struct {
		spoil func(*brake)
		says  string
	}{
		"unknown class":                {func(b *brake) { b.class = "later" }, `the lease class fits: "later" is no lease class`},
		"instant with an undo":         {func(b *brake) { b.class = chaos.Instant }, `the lease class fits: the class is "instant", yet there is an undo`},
		"injects nobody":               {func(b *brake) { b.emptyHanded = true }, "no victims, no success: "},
		"ignores the UID":              {func(b *brake) { b.careless = true }, "a stranger is left alone: "},
		"injects on an ended context":  {func(b *brake) { b.eager = true }, "a cancelled injection does nothing: "},
		"cannot undo nothing":          {func(b *brake) { b.undoNothing = true }, "undoing what is not there succeeds: cannot undo: "},
		"proves without injection":     {func(b *brake) { b.liar = true }, "no victims, no success: nothing was injected"},
		"does not look at its context": {func(b *brake) { b.deaf = true }, "no victims, no success: the call has not returned"},
		"gives up early":               {func(b *brake) { b.quitter = true }, "a cancelled proof returns: the proof gave up while it had time"},
		"does not bite":                {func(b *brake) { b.idle = true }, "the injection is proven: injected, but not proven"},
		"has no evidence":              {func(b *brake) { b.mute = true }, "the injection is proven: proven without a word of evidence"},
		"is gone while it is on":       {func(b *brake) { b.goneAtOnce = true }, "what is not undone is not proven gone: "},
		"is on after its undo":         {func(b *brake) { b.forgetful = true }, "the undo is proven: undone, but not proven gone: "},
		"undoes once":                  {func(b *brake) { b.undoOnce = true }, "undoing again succeeds: cannot undo: "},
	}
	for name, d := range defects {
		t.Run(name, func(t *testing.T) {
			err := run(t, func() chaos.Fault { b := newBrake(); d.spoil(&b); return b }, nil)
			require.Error(t, err)
			assert.Contains(t, err.Error(), d.says)
		})
	}
	t.Run("held without an undo", func(t *testing.T) {
		err := run(t, func() chaos.Fault { return withoutUndo{newBrake()} }, nil)
		require.ErrorContains(t, err, `the lease class fits: the class is "held", yet there is no undo`)
	})
}

func TestDeafObserverIsFound(t *testing.T) {
	c := chaostest.NewCluster(1)
	victims := c.NodeVictims()
	victims[1].Node = "w9"
	err := chaostest.Run(t.Context(), newBrake(), c.Env(), victims)
	require.ErrorContains(t, err, "the observer has no sign of life from it: no route to host")
}

func TestBlindObserverIsFound(t *testing.T) {
	c := chaostest.NewCluster(1)
	victims := c.Victims()
	victims[0].UID = "elsewhere"
	err := chaostest.Run(t.Context(), newBrake(), c.Env(), victims)
	require.ErrorContains(t, err, "the observer sees no process of it on w1")
	require.ErrorContains(t, chaostest.Run(t.Context(), newBrake(), c.Env(), nil), "given no victim")
}

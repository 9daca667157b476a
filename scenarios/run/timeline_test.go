package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/scenarios/plan"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// act is one thing that was done to a stub, and when.
type act struct {
	what string
	at   time.Duration
}

// stub is a fault whose every step can be made to fail.
type stub struct {
	clock                        clock
	done                         []act
	injectErr, proveErr, undoErr error
	hangs                        bool // the proof never comes
}

func (s *stub) did(what string) { s.done = append(s.done, act{what, s.clock.now()}) }

func (s *stub) Class() chaos.Lease { return chaos.Held }

func (s *stub) Inject(context.Context, chaos.Env, []chaos.Victim) error {
	s.did("inject")
	return s.injectErr
}

func (s *stub) Prove(ctx context.Context, _ chaos.Env, _ []chaos.Victim) (string, error) {
	if s.hangs {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return "seen", s.proveErr
}

// lasting is a stub that lasts.
type lasting struct{ *stub }

func (l lasting) Undo(ctx context.Context, _ chaos.Env, _ []chaos.Victim) error {
	l.did("undo")
	return errors.Join(l.undoErr, ctx.Err())
}

func (l lasting) ProveGone(ctx context.Context, _ chaos.Env, _ []chaos.Victim) error {
	l.did("prove gone")
	return ctx.Err()
}

// stages are the stages that an injection told, with when and, for some, why.
type told struct {
	stage  reports.Stage
	at     reports.Offset
	detail string
}

// happens lets an injection happen in a bubble: it begins at once, lasts until
// 10 s and must have bitten by 4 s. The run ends after a time.
func happens(t *testing.T, fault func(*stub) chaos.Fault, change func(*injection), ends time.Duration) (all []told, done []act) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), ends, errControlC)
		defer cancel()
		s := &stub{clock: newClock()}
		i := &injection{
			event: plan.Event{Name: "e", Fault: "PodChaos stub", Count: plan.Count{Mode: "one", Pods: 1}},
			fault: fault(s), until: 10 * time.Second, prove: 4 * time.Second, clock: s.clock,
			choose: func(context.Context) ([]chaos.Victim, error) {
				return []chaos.Victim{{Role: "catalog", Ordinal: 1, Namespace: "squall", Pod: "catalog-x", UID: "u", Node: "w1"}}, nil
			},
			tell: func(at reports.Offset, e reports.EventEntry) {
				all = append(all, told{e.Stage, at, e.Detail})
				if e.Stage != reports.StageFailed {
					require.Equal(t, []reports.Victim{{Role: "catalog", Ordinal: 1, Pod: "squall/catalog-x", UID: "u", Node: "w1"}}, e.Victims)
				}
			},
		}
		if change != nil {
			change(i)
		}
		i.happen(ctx)
		done = s.done
	})
	return all, done
}

func instant(s *stub) chaos.Fault { return s }

func lasts(s *stub) chaos.Fault { return lasting{s} }

func TestInstantFault(t *testing.T) {
	all, done := happens(t, instant, nil, time.Minute)
	assert.Equal(t, []told{{reports.StageInjected, 0, ""}, {reports.StageBitten, 0, "seen"}}, all)
	assert.Equal(t, []act{{"inject", 0}}, done)

	hang := func(s *stub) chaos.Fault { s.hangs = true; return s }
	all, _ = happens(t, hang, nil, time.Minute)
	assert.Equal(t, []told{{reports.StageInjected, 0, ""}, {reports.StageUnbitten, 4 * time.Second, "no proof by 4.00s of the run"}}, all)

	all, done = happens(t, hang, func(i *injection) { i.noInject = true }, time.Minute)
	assert.Equal(t, reports.StageUnbitten, all[1].stage)
	assert.Empty(t, done)

	all, _ = happens(t, func(s *stub) chaos.Fault { s.injectErr = errors.New("refused"); return s }, nil, time.Minute)
	assert.Equal(t, []told{{reports.StageInjected, 0, ""}, {reports.StageFailed, 0, "refused"}}, all)

	// The end of the run leaves the proof open.
	all, _ = happens(t, hang, nil, time.Second)
	assert.Equal(t, []told{{reports.StageInjected, 0, ""}}, all)
}

func TestNobodyToHit(t *testing.T) {
	all, done := happens(t, instant, func(i *injection) {
		i.choose = func(context.Context) ([]chaos.Victim, error) { return nil, nil }
	}, time.Minute)
	assert.Equal(t, []told{{reports.StageFailed, 0, "PodChaos stub hits nobody: 1 of the live pods or nodes that its selector takes"}}, all)
	assert.Empty(t, done)
}

func TestLastingFault(t *testing.T) {
	for name, one := range map[string]struct {
		fault    func(*stub) chaos.Fault
		ends     time.Duration // the run's
		stages   []told
		undoneAt time.Duration
	}{
		"undone at its end": {lasts, time.Minute, []told{
			{reports.StageInjected, 0, ""}, {reports.StageBitten, 0, "seen"}, {reports.StageUndone, 10 * time.Second, "seen to be gone"},
		}, 10 * time.Second},
		"undone when the run ends": {lasts, 2 * time.Second, []told{
			{reports.StageInjected, 0, ""}, {reports.StageBitten, 0, "seen"}, {reports.StageUndone, 2 * time.Second, "seen to be gone"},
		}, 2 * time.Second},
		"undone when it does not bite": {func(s *stub) chaos.Fault { s.hangs = true; return lasting{s} }, time.Minute, []told{
			{reports.StageInjected, 0, ""}, {reports.StageUnbitten, 4 * time.Second, "no proof by 4.00s of the run"},
			{reports.StageUndone, 10 * time.Second, "seen to be gone"},
		}, 10 * time.Second},
		"undone when it was half injected": {func(s *stub) chaos.Fault { s.injectErr = errors.New("half"); return lasting{s} }, time.Minute, []told{
			{reports.StageInjected, 0, ""}, {reports.StageFailed, 0, "half"}, {reports.StageUndone, 0, "seen to be gone"},
		}, 0},
		"left": {func(s *stub) chaos.Fault { s.undoErr = errors.New("stuck"); return lasting{s} }, time.Minute, []told{
			{reports.StageInjected, 0, ""}, {reports.StageBitten, 0, "seen"}, {reports.StageLeft, 10*time.Second + deathRattle, "stuck"},
		}, 10 * time.Second},
		"gone with its cluster": {func(s *stub) chaos.Fault { s.undoErr = errors.New("nobody there"); return lasting{s} }, 3 * time.Second, []told{
			{reports.StageInjected, 0, ""}, {reports.StageBitten, 0, "seen"},
			{reports.StageUndone, 3*time.Second + deathRattle/2, "gone with the cluster, which has ended"},
		}, 3 * time.Second},
	} {
		all, done := happens(t, one.fault, func(i *injection) {
			gone := make(chan struct{})
			if i.gone = gone; strings.HasPrefix(name, "gone") {
				time.AfterFunc(one.ends+deathRattle/2, func() { close(gone) })
			}
		}, one.ends)
		assert.Equal(t, one.stages, all, name)
		require.GreaterOrEqual(t, len(done), 2, name)
		assert.Equal(t, act{"undo", one.undoneAt}, done[1], name)
	}
}

package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"squall/chaos"
	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/plan"

	"k8s.io/client-go/dynamic"
)

const (
	// injectLimit bounds the requests of one injection. What takes longest is the
	// orderly stop of a node.
	injectLimit = cluster.StopGrace + 45*time.Second
	// proofFloor is how long a proof may take at least, however late in the run
	// the fault comes. Else it has until the planned end of recovery: what bites
	// later is not in what is measured.
	proofFloor = 10 * time.Second
	// undoLimit bounds an undo and its proof. A node's programs start within some
	// seconds, on a busy host within half a minute.
	undoLimit = time.Minute
)

// injection is one timeline entry on its way.
type injection struct {
	event  plan.Event
	step   scenarios.Step
	fault  chaos.Fault
	until  reports.Offset                                // when a lasting fault is to be undone
	prove  reports.Offset                                // by when it must have bitten
	choose func(context.Context) ([]chaos.Victim, error) // nil for a step, which has none

	env      chaos.Env
	clock    clock
	noInject bool
	gone     <-chan struct{} // closed when the cluster has ended
	tell     func(at reports.Offset, e reports.EventEntry)
}

// startTimeline has every timeline entry happen at its time. The group ends once
// all are over: proven, and undone where they last. When ctx ends they end early,
// undone all the same.
func (c *conductor) startTimeline(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, event := range c.plan.Events {
		c.pending.Add(1)
		all.Go(func() {
			defer c.pending.Add(-1)
			one, err := c.injection(event)
			if err != nil {
				c.tell(c.clock.now(), reports.EventEntry{Name: event.Name, Stage: reports.StageFailed, Fault: event.Fault, Step: event.Step, Detail: err.Error()})
				return
			}
			if c.await(ctx, one) {
				one.happen(ctx)
			}
		})
	}
	return &all
}

// injection prepares a timeline entry.
func (c *conductor) injection(event plan.Event) (*injection, error) {
	at := slices.IndexFunc(c.scenario.Spec.Timeline, func(s scenarios.Step) bool { return s.Name == event.Name })
	if at < 0 {
		return nil, fmt.Errorf("the plan has an event %q that the scenario has not", event.Name)
	}
	step := c.scenario.Spec.Timeline[at]
	one := &injection{
		event: event, step: step,
		env: c.env(), clock: c.clock, noInject: c.options.NoInject, gone: c.cluster.Done(), tell: c.tell,
	}
	c.due(one, event.At)
	aim, err := step.Aim()
	switch {
	case err != nil:
		return nil, err
	case aim == nil:
		client, err := dynamic.NewForConfig(c.config)
		if err != nil {
			return nil, fmt.Errorf("make a client for %s: %w", event.Step, err)
		}
		one.fault, err = c.step(client, step)
		return one, err
	}
	one.choose = func(ctx context.Context) ([]chaos.Victim, error) {
		now, err := lookAround(ctx, c.client)
		if err != nil {
			return nil, err
		}
		if aim.HitsNodes() {
			return exactly(event, nodeVictims(event, aim, step.Victims, c.cluster.Info().Nodes, now))
		}
		return exactly(event, victims(event, aim, step.Victims, c.recorder.roles, now))
	}
	if step.Drain != nil {
		one.fault = newDrain(c.client, c.recorder, *step.Drain)
		return one, nil
	}
	one.fault, err = aim.Fault()
	return one, err
}

// step prepares a step that is asked of the API.
func (c *conductor) step(client dynamic.Interface, step scenarios.Step) (chaos.Fault, error) {
	if step.Apply != nil {
		objects, err := step.Apply.Objects()
		if err != nil {
			return nil, err
		}
		return newApplyStep(client, objects)
	}
	return newAPIStep(client, append(objectsOf(c.rendered), c.scenario.Applied(step.At)...), step)
}

// await waits until a timeline entry is to happen: for its time, or for its
// condition. It is false when it never is.
func (c *conductor) await(ctx context.Context, one *injection) bool {
	if one.event.When == "" {
		return c.clock.wait(ctx, c.warmup+one.event.At) == nil
	}
	at, ok := c.conditions.wait(ctx, one.event.Name)
	if ok {
		c.due(one, at-c.warmup)
	}
	return ok
}

// due says when an entry happens, from the start of warmup: its other times follow.
func (c *conductor) due(one *injection, at time.Duration) {
	phases := c.scenario.Spec.Phases
	one.event.At = at
	one.until = c.warmup + lastsUntil(one.step, one.event, phases)
	one.prove = max(c.warmup+at+proofFloor, c.warmup+phases.Total())
}

// lastsUntil is when a lasting fault ends, from the start of warmup: after the
// step's own time, else the fault's, else with the phase "fault".
func lastsUntil(step scenarios.Step, event plan.Event, phases scenarios.Phases) time.Duration {
	if step.For > 0 || step.Chaos == nil && !step.Lasts() {
		return event.At + step.For
	}
	if step.Chaos != nil && step.Chaos.Duration() > 0 {
		return event.At + step.Chaos.Duration()
	}
	return max(event.At, phases.Warmup+phases.Steady+phases.Fault)
}

// tell records a stage of an event and shows it.
func (c *conductor) tell(at reports.Offset, e reports.EventEntry) {
	c.lastEvent.Store(int64(at))
	c.add(reports.Entry{At: at, Kind: reports.KindEvent, Event: &e})
	what := cmp.Or(e.Fault, e.Step)
	switch {
	case e.Stage == reports.StageInjected && len(e.Victims) == 0:
		c.show.say("%s: %s", e.Name, what)
	case e.Step != "" && e.Stage == reports.StageBitten:
		c.show.say("%s: done: %s", e.Name, e.Detail)
	case e.Stage == reports.StageInjected:
		var names []string
		for _, v := range e.Victims {
			names = append(names, fmt.Sprintf("%s/%d (%s)", v.Role, v.Ordinal, cmp.Or(v.Pod, v.Node)))
		}
		c.show.say("%s: %s hits %s", e.Name, what, strings.Join(names, ", "))
	default:
		c.show.say("%s: %s: %s", e.Name, e.Stage, e.Detail)
	}
}

// happen injects, proves and, for a lasting fault, undoes. It returns once the
// fault is over.
func (i *injection) happen(ctx context.Context) {
	hit, err := i.chosen(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		i.say(reports.StageFailed, nil, err.Error())
		return
	}
	i.say(reports.StageInjected, hit, "")
	failed := i.inject(ctx, hit)
	if failed == nil {
		i.bite(ctx, hit)
	}
	undoer, lasts := i.fault.(chaos.Undoer)
	if !lasts {
		return
	}
	if failed == nil {
		_ = i.clock.wait(ctx, i.until) // an early end is as good a reason to undo
	}
	i.undo(ctx, undoer, hit)
}

// chosen are the victims; none is an error, but for a step.
func (i *injection) chosen(ctx context.Context) ([]chaos.Victim, error) {
	if i.choose == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, injectLimit)
	defer cancel()
	hit, err := i.choose(ctx)
	if err == nil && len(hit) == 0 {
		takes := "its selector takes"
		if i.event.Victims != "" {
			takes += ", " + i.event.Victims
		}
		err = fmt.Errorf("%s hits nobody: %s of the live pods or nodes that %s", cmp.Or(i.event.Fault, i.event.Step), i.event.Count, takes)
	}
	return hit, err
}

// inject injects, unless the debug switch says not to.
func (i *injection) inject(run context.Context, hit []chaos.Victim) error {
	if i.noInject {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(run, injectLimit, fmt.Errorf("not injected within %s", injectLimit))
	defer cancel()
	err := i.fault.Inject(ctx, i.env, hit)
	if err != nil && run.Err() == nil { // else the end of the run is why
		i.say(reports.StageFailed, hit, err.Error())
	}
	return err
}

// bite waits for the proof. A run that ends meanwhile leaves the event without
// one, which the judge tells.
func (i *injection) bite(ctx context.Context, hit []chaos.Victim) {
	left := i.prove - i.clock.now()
	proving, cancel := context.WithTimeoutCause(ctx, left, fmt.Errorf("no proof by %s of the run", reports.Duration(i.prove)))
	defer cancel()
	evidence, err := i.fault.Prove(proving, i.env, hit)
	switch {
	case err == nil:
		i.say(reports.StageBitten, hit, evidence)
	case ctx.Err() == nil:
		i.say(reports.StageUnbitten, hit, err.Error())
	}
}

// undo ends a lasting fault, also when the run has ended.
func (i *injection) undo(ctx context.Context, undoer chaos.Undoer, hit []chaos.Victim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	err := undoer.Undo(ctx, i.env, hit)
	if err == nil {
		err = undoer.ProveGone(ctx, i.env, hit)
	}
	switch {
	case err == nil:
		i.say(reports.StageUndone, hit, "seen to be gone")
	case i.clusterEnded():
		i.say(reports.StageUndone, hit, "gone with the cluster, which has ended")
	default:
		i.say(reports.StageLeft, hit, err.Error())
	}
}

// clusterEnded tells whether the cluster has ended, which its parts may notice
// before its own end is seen.
func (i *injection) clusterEnded() bool {
	select {
	case <-i.gone:
		return true
	case <-time.After(deathRattle):
		return false
	}
}

// say tells a stage of the event, as it is now.
func (i *injection) say(stage reports.Stage, hit []chaos.Victim, detail string) {
	_, lasts := i.fault.(chaos.Undoer)
	e := reports.EventEntry{Name: i.event.Name, Stage: stage, Fault: i.event.Fault, Step: i.event.Step, Lasting: lasts, Detail: detail}
	for _, v := range hit {
		victim := reports.Victim{Role: v.Role, Ordinal: v.Ordinal, UID: v.UID, Node: v.Node}
		if !v.IsNode() {
			victim.Pod = v.Namespace + "/" + v.Pod
		}
		e.Victims = append(e.Victims, victim)
	}
	if one, ok := i.fault.(annotator); ok {
		one.annotate(&e)
	}
	i.tell(i.clock.now(), e)
}

// annotator is a fault or step that knows more of a stage than the stage itself.
type annotator interface{ annotate(*reports.EventEntry) }

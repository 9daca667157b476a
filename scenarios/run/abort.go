package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
)

const (
	// backLimit bounds how long an aborted run waits for its workloads to be whole
	// again. What is not back by then is told and no reason to wait on.
	backLimit = 30 * time.Second
	// afterwards is how long load goes on once all is back.
	afterwards = time.Second
)

// startConditions begins to look at the conditions of a run; halt ends what is to
// come. The caller must call what it returns.
func (c *conductor) startConditions(ctx context.Context, halt context.CancelCauseFunc) (stop func()) {
	w := c.conditions
	if w == nil {
		return func() {}
	}
	w.clock, w.warmup, w.by = c.clock, c.warmup, map[string]reports.Offset{}
	w.from, w.polls = c.warmup+c.scenario.Spec.Phases.WatchedFrom(), c.warmup
	said := map[string]reports.EventEntry{}
	bounds := map[string]scenarios.Moment{}
	for _, step := range c.scenario.Spec.Timeline {
		bounds[step.Name] = step.By
	}
	for _, event := range c.plan.Events {
		w.by[event.Name] = c.warmup + event.By
		said[event.Name] = reports.EventEntry{Name: event.Name, Fault: event.Fault, Step: event.Step}
	}
	tell := func(at reports.Offset, name string, stage reports.Stage, detail string) {
		e := said[name]
		e.Stage, e.Detail = stage, detail
		c.tell(at, e)
	}
	w.triggered = func(at reports.Offset, one *judge.Condition, parts string) {
		tell(at, one.Name, reports.StageTriggered, describe(one, parts))
	}
	w.expired = func(at reports.Offset, one *judge.Condition, parts string) {
		tell(at, one.Name, reports.StageExpired, fmt.Sprintf("%s had not become true by %s: %s", one.That, bounds[one.Name], parts))
	}
	w.fall = func(at reports.Offset, one *judge.Condition, values []reports.Value) {
		c.add(reports.Entry{At: at, Kind: reports.KindAbort, Abort: &reports.AbortEntry{
			Name: one.Name, That: one.That, Known: w.judged.Known(), Values: values,
		}})
		c.show.say("aborted: %s: %s", one.Name, describe(one, judge.PartsText(values)))
		halt(errAborted)
	}
	go w.watch(ctx)
	return w.stop
}

// comeBack waits until an aborted run has left the system as it was: every fault
// undone and seen to be gone, every workload whole, or not within a limit. Load
// goes on a little longer.
func (c *conductor) comeBack(ctx context.Context, faults *sync.WaitGroup) error {
	faults.Wait() // each undo is bounded
	for until := c.clock.now() + backLimit; c.recorder.wholeSince() == reports.Never && c.clock.now() < until; {
		if err := c.clock.wait(ctx, c.clock.now()+lookEvery); err != nil {
			return err
		}
	}
	return c.clock.wait(ctx, c.clock.now()+afterwards)
}

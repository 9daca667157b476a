// Package chaostest holds the suite that every fault passes, against a fake
// cluster and against a real one. It returns an error instead of taking a test
// handle, so that a debug command can run it too.
//
// It judges the contract that all faults share, not what a single fault does
// to its victims: that is for the fault's own tests.
package chaostest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"squall/chaos"
)

const (
	// unproven is how long a proof that must fail may try.
	unproven = 500 * time.Millisecond
	// prompt is how long after its context has ended a call may take to return.
	prompt = 2 * time.Second
)

// suite is one run of the checks, in an order in which each leaves what the
// next one needs.
type suite struct {
	fault   chaos.Fault
	env     chaos.Env
	victims []chaos.Victim
}

// Run holds a fault to its contract, on victims that are alive, and returns
// the first thing that is wrong. An instant fault ends the victims; any other
// is undone at the end. Ctx needs a deadline that leaves the fault time to
// bite.
func Run(ctx context.Context, f chaos.Fault, env chaos.Env, victims []chaos.Victim) error {
	s := suite{fault: f, env: env, victims: victims}
	checks := []struct {
		name  string
		check func(context.Context) error
	}{
		{"the observer sees the victims", s.victimsSeen},
		{"the lease class fits", s.class},
		{"no victims, no success", s.noVictims},
		{"a stranger is left alone", s.stranger},
		{"a cancelled injection does nothing", s.cancelledInject},
		{"undoing what is not there succeeds", s.undo},
		{"no injection, no proof", s.noInjection},
		{"a cancelled proof returns", s.cancelledProof},
		{"the injection is proven", s.injected},
		{"what is not undone is not proven gone", s.notUndone},
		{"the undo is proven", s.undo},
		{"undoing again succeeds", s.undo},
	}
	for _, c := range checks {
		if err := c.check(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// victimsSeen makes sure of the observer: when it sees no process of a living
// pod, or has no sign of life from a node that is on, what it sees afterwards
// proves nothing.
func (s suite) victimsSeen(ctx context.Context) error {
	if len(s.victims) == 0 {
		return errors.New("the suite was given no victim")
	}
	for _, v := range s.victims {
		if v.IsNode() {
			answers, heard, err := s.env.Observer.AskNode(ctx, v.Node)
			if err != nil || !answers {
				return fmt.Errorf("%s is meant to be on, but the observer has no sign of life from it: %s: %w", v, heard, orNone(err))
			}
			continue
		}
		n, err := s.env.Observer.PodProcesses(ctx, v.Node, v.UID)
		if err != nil {
			return fmt.Errorf("cannot count the processes of %s: %w", v, err)
		}
		if n == 0 {
			return fmt.Errorf("%s is meant to be alive, but the observer sees no process of it on %s", v, v.Node)
		}
	}
	return nil
}

// orNone makes an error of none, for a sentence that has one at its end.
func orNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func (s suite) class(context.Context) error {
	_, undoes := s.fault.(chaos.Undoer)
	switch class := s.fault.Class(); class {
	case chaos.Instant:
		if undoes {
			return fmt.Errorf("the class is %q, yet there is an undo", class)
		}
	case chaos.CrashOnly, chaos.Held:
		if !undoes {
			return fmt.Errorf("the class is %q, yet there is no undo", class)
		}
	default:
		return fmt.Errorf("%q is no lease class", class)
	}
	return nil
}

func (s suite) noVictims(ctx context.Context) error {
	if s.fault.Inject(ctx, s.env, nil) == nil {
		return errors.New("an injection without victims succeeded")
	}
	return s.mustNotProve(ctx, nil)
}

// stranger aims at pods or nodes that have the victims' names and other UIDs. The
// check for no injection, later on, shows whether the victims were spared.
func (s suite) stranger(ctx context.Context) error {
	for _, v := range s.victims {
		v.UID = "00000000-0000-4000-8000-000000000000"
		if s.fault.Inject(ctx, s.env, []chaos.Victim{v}) == nil {
			return fmt.Errorf("the injection into %s succeeded under another UID than its own", v)
		}
	}
	return nil
}

func (s suite) cancelledInject(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return inTime(ctx, func() error {
		if s.fault.Inject(ctx, s.env, s.victims) == nil {
			return errors.New("the injection succeeded on a context that had ended")
		}
		return nil
	})
}

func (s suite) noInjection(ctx context.Context) error {
	return s.mustNotProve(ctx, s.victims)
}

func (s suite) mustNotProve(ctx context.Context, victims []chaos.Victim) error {
	ctx, cancel := context.WithTimeout(ctx, unproven)
	defer cancel()
	return inTime(ctx, func() error {
		evidence, err := s.fault.Prove(ctx, s.env, victims)
		if err == nil {
			return fmt.Errorf("nothing was injected, and it is proven all the same: %q", evidence)
		}
		return nil
	})
}

// cancelledProof ends the context while the proof waits.
func (s suite) cancelledProof(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(unproven/2, cancel).Stop()
	return inTime(ctx, func() error {
		_, err := s.fault.Prove(ctx, s.env, s.victims)
		switch {
		case err == nil:
			return errors.New("nothing was injected, and it is proven all the same")
		case ctx.Err() == nil:
			return fmt.Errorf("the proof gave up while it had time: %w", err)
		}
		return nil
	})
}

func (s suite) injected(ctx context.Context) error {
	if err := s.fault.Inject(ctx, s.env, s.victims); err != nil {
		return fmt.Errorf("cannot inject: %w", err)
	}
	evidence, err := s.fault.Prove(ctx, s.env, s.victims)
	if err != nil {
		return fmt.Errorf("injected, but not proven: %w", err)
	}
	if evidence == "" {
		return errors.New("proven without a word of evidence")
	}
	return nil
}

func (s suite) notUndone(ctx context.Context) error {
	undoer, ok := s.fault.(chaos.Undoer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, unproven)
	defer cancel()
	return inTime(ctx, func() error {
		if undoer.ProveGone(ctx, s.env, s.victims) == nil {
			return errors.New("it is on, and it is proven gone all the same")
		}
		return nil
	})
}

func (s suite) undo(ctx context.Context) error {
	undoer, ok := s.fault.(chaos.Undoer)
	if !ok {
		return nil
	}
	if err := undoer.Undo(ctx, s.env, s.victims); err != nil {
		return fmt.Errorf("cannot undo: %w", err)
	}
	if err := undoer.ProveGone(ctx, s.env, s.victims); err != nil {
		return fmt.Errorf("undone, but not proven gone: %w", err)
	}
	return nil
}

// inTime calls do and complains when it has not returned soon after its
// context ended. The goroutine of a call that never returns is lost.
func inTime(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(prompt):
		return fmt.Errorf("the call has not returned %s after its context ended", prompt)
	}
}

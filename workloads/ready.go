package workloads

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
)

// NotReadyError says why a workload did not come up.
type NotReadyError struct {
	Workload string
	// Reason is one sentence, without a full stop.
	Reason string
	// Source names the container that Log is from, empty when there is none.
	Source string
	// Log are the last lines of that container.
	Log []string
	// Cause is why waiting ended when it was not hopeless: the context's error.
	Cause error
}

// Error is the reason, then the log, a line each.
func (e *NotReadyError) Error() string {
	return fmt.Sprintf("workload %q does not come up: %s", e.Workload, e.explanation())
}

// explanation is the reason and the log.
func (e *NotReadyError) explanation() string {
	if e.Source == "" {
		return e.Reason
	}
	return e.Reason + "\n" + e.Source + ":\n  | " + strings.Join(e.Log, "\n  | ")
}

// Unwrap returns what ended the wait, so that a caller can tell an interrupt
// from a workload that cannot work.
func (e *NotReadyError) Unwrap() error { return e.Cause }

// WaitReady waits until every role has its desired number of pods ready and
// every Service as many ready endpoints. It follows watches and does not poll.
// When ctx ends, or as soon as waiting is hopeless (no image, a crash loop,
// no node with room for 10 s, pods refused by admission or quota), it returns a
// [*NotReadyError].
func WaitReady(ctx context.Context, client kubernetes.Interface, r Rendered) error {
	start := time.Now()
	f, err := follow(ctx, client, namespacesOf(r))
	if err != nil {
		return fmt.Errorf("wait for workload %q: %w", r.Name, err)
	}
	defer f.stop()
	since := map[string]time.Time{} // trouble's key → when it was first seen
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return lateError(ctx, client, r, lateState{f, time.Since(start)})
		case <-f.changed:
		case <-again.C:
		}
		if !f.synced() {
			continue
		}
		now := f.snapshot()
		if len(now.missing(r)) == 0 {
			return nil
		}
		verdict, wait := hopeless(troubles(r, now), since, time.Now())
		if verdict != nil {
			return explain(ctx, client, r, *verdict)
		}
		if wait < never {
			again.Reset(wait)
		}
	}
}

// hopeless returns the trouble that has outlasted its patience, if any, else
// how long until the next one could. It keeps in since when each was first
// seen, and forgets those that are over.
func hopeless(found []trouble, since map[string]time.Time, now time.Time) (*trouble, time.Duration) {
	present := map[string]bool{}
	next := never
	for i, t := range found {
		present[t.key] = true
		if _, known := since[t.key]; !known {
			since[t.key] = now
		}
		if t.patience == never {
			continue
		}
		left := t.patience - now.Sub(since[t.key])
		if left <= 0 {
			return &found[i], 0
		}
		next = min(next, left)
	}
	for key := range since {
		if !present[key] {
			delete(since, key)
		}
	}
	return nil, next
}

// lateState is what is known when the deadline passes.
type lateState struct {
	f      *follower
	waited time.Duration
}

// lateError is the error for a wait that ended with its context: what was last
// seen to be missing, and the most telling trouble.
func lateError(ctx context.Context, client kubernetes.Interface, r Rendered, late lateState) error {
	cause := context.Cause(ctx)
	head := fmt.Sprintf("gave up after %v (%v)", late.waited.Round(100*time.Millisecond), cause)
	if !late.f.synced() {
		reason := head + ": the cluster's API did not tell the state of its pods"
		if err := late.f.trouble(); err != nil {
			reason += fmt.Sprintf(" (%v)", err)
		}
		return &NotReadyError{Workload: r.Name, Reason: reason, Cause: cause}
	}
	last := late.f.snapshot()
	reason := head + ": " + strings.Join(last.missing(r), ", ")
	found := troubles(r, last)
	if len(found) == 0 {
		return &NotReadyError{Workload: r.Name, Reason: reason, Cause: cause}
	}
	explained := explain(ctx, client, r, found[0])
	explained.Reason, explained.Cause = reason+"; "+explained.Reason, cause
	return explained
}

// namespacesOf are the namespaces in which a workload has pods.
func namespacesOf(r Rendered) []string {
	var names []string
	for _, role := range r.Roles {
		if !slices.Contains(names, role.Namespace) {
			names = append(names, role.Namespace)
		}
	}
	return names
}

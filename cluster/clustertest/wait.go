package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lookEvery is how often waits look. Each has a reason to: what it looks at is
// in many objects, or inside a pod.
const lookEvery = 250 * time.Millisecond

// podStart bounds the start of a pod whose image is there. It takes a second;
// the bound allows for many at once on few processors.
const podStart = 60 * time.Second

// until looks again and again until there is nothing left to report, an error
// comes up, or the time is over; then the error says what was last seen.
func until(ctx context.Context, most time.Duration, what string, look func(context.Context) (seen string, err error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not within %s", most))
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := "nothing"
	for {
		seen, err := look(ctx)
		if err == nil && seen == "" {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if seen != "" && ctx.Err() == nil {
			last = seen // at the end it would only say that time was up
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last seen: %s", what, context.Cause(ctx), last)
		}
	}
}

// stays looks for so long and fails when there is something to report.
func stays(ctx context.Context, long time.Duration, what string, look func(context.Context) (seen string, err error)) error {
	end := time.NewTimer(long)
	defer end.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		seen, err := look(ctx)
		if err != nil {
			return err
		}
		if seen != "" {
			return fmt.Errorf("%s: %s", what, seen)
		}
		select {
		case <-end.C:
			return nil
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// answers waits until a command prints what is wanted. That it fails is no error
// meanwhile: it is often a client of something that is coming up.
func answers(ctx context.Context, most time.Duration, want string, run func(context.Context) (string, error)) error {
	return until(ctx, most, fmt.Sprintf("an answer with %q", want), func(ctx context.Context) (string, error) {
		out, err := run(ctx)
		if err != nil {
			return err.Error(), nil
		}
		if !strings.Contains(out, want) {
			return fmt.Sprintf("%q", out), nil
		}
		return "", nil
	})
}

// same fails when a value is not what it should be.
func same[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: %v, wanted %v", what, got, want)
	}
	return nil
}

// holds fails when a text lacks a part.
func holds(what, text, part string) error {
	if !strings.Contains(text, part) {
		return fmt.Errorf("%s: no %q in %q", what, part, text)
	}
	return nil
}

// steps runs steps until one fails. It keeps checks that are a list of steps
// readable as one.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// podReady waits until a pod is Ready.
func (s *scope) podReady(ctx context.Context, names ...string) error {
	for _, name := range names {
		err := s.podIs(ctx, name, podStart, "Ready", func(p *corev1.Pod) bool { return isReady(p) })
		if err != nil {
			return err
		}
	}
	return nil
}

// podIs waits until a pod that may not be there yet fits.
func (s *scope) podIs(ctx context.Context, name string, most time.Duration, what string, fits func(*corev1.Pod) bool) error {
	return until(ctx, most, fmt.Sprintf("pod %s to be %s", name, what), func(ctx context.Context) (string, error) {
		p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "no such pod", nil
		}
		if err != nil {
			return "", err
		}
		if fits(p) {
			return "", nil
		}
		return describePod(p), nil
	})
}

// podEnded waits until a pod has ended and returns the code of its first
// container.
func (s *scope) podEnded(ctx context.Context, name string) (code int, err error) {
	err = s.podIs(ctx, name, podStart, "ended", func(p *corev1.Pod) bool {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed || len(p.Status.ContainerStatuses) == 0 {
			return false
		}
		t := p.Status.ContainerStatuses[0].State.Terminated
		if t != nil {
			code = int(t.ExitCode)
		}
		return t != nil
	})
	return code, err
}

// podsReady waits until exactly so many pods fit a selector, all of them Ready
// and none going, and returns them.
func (s *scope) podsReady(ctx context.Context, selector string, n int) ([]corev1.Pod, error) {
	var found []corev1.Pod
	err := until(ctx, podStart, fmt.Sprintf("%d Ready pods of %s", n, selector), func(ctx context.Context) (string, error) {
		list, err := s.client.CoreV1().Pods(s.ns).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return "", err
		}
		found = list.Items
		ready := 0
		var seen []string
		for _, p := range found {
			if isReady(&p) && p.DeletionTimestamp == nil {
				ready++
			}
			seen = append(seen, p.Name+" "+describePod(&p))
		}
		if ready == n && len(found) == n {
			return "", nil
		}
		return fmt.Sprintf("%d pods: %s", len(found), strings.Join(seen, "; ")), nil
	})
	return found, err
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// describePod says in what state a pod is, and its containers.
func describePod(p *corev1.Pod) string {
	parts := []string{string(p.Status.Phase)}
	if p.DeletionTimestamp != nil {
		parts = append(parts, "being deleted")
	}
	for _, c := range p.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			parts = append(parts, c.Message)
		}
	}
	for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		switch {
		case c.State.Waiting != nil:
			parts = append(parts, fmt.Sprintf("%s waits: %s %s", c.Name, c.State.Waiting.Reason, c.State.Waiting.Message))
		case c.State.Terminated != nil:
			parts = append(parts, fmt.Sprintf("%s ended: %s, code %d", c.Name, c.State.Terminated.Reason, c.State.Terminated.ExitCode))
		}
	}
	return strings.Join(parts, ", ")
}

// refused fails unless an error came that says so.
func refused(what string, err error, says string) error {
	if err == nil {
		return errors.New(what + ": was allowed")
	}
	if !strings.Contains(err.Error(), says) {
		return fmt.Errorf("%s: refused, but not with %q: %w", what, says, err)
	}
	return nil
}

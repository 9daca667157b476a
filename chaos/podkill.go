package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// proofSlack is how long, after the grace period, a killed pod may take to
	// vanish before the kill counts as not proven: the kubelet's own floor of a
	// few seconds, and room for a busy host. A shorter deadline of the caller
	// wins.
	proofSlack = 30 * time.Second
	// processPoll is the time between two looks at a node's processes. A kernel
	// offers no watch on a foreign process tree, so this one is polled.
	processPoll = 50 * time.Millisecond
)

// podKill deletes pods: PodChaos pod-kill. It is instant: what was deleted
// stays deleted, and a replacement by a controller is healing.
type podKill struct {
	grace int64 // seconds
}

var _ Fault = podKill{}

// Class is Instant.
func (podKill) Class() Lease { return Instant }

// Inject deletes all victims at once, each by name and UID. A victim that is
// no longer there, or whose name now belongs to another pod, is an error: it
// was not ours to kill. So is one that runs no process when it is to be killed:
// that it runs none afterwards would prove nothing. Others may have been deleted
// all the same.
func (k podKill) Inject(ctx context.Context, env Env, victims []Victim) error {
	if len(victims) == 0 {
		return errors.New("pod-kill has no victim")
	}
	// A client need not look at a context before it sends.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("pod-kill was not begun: %w", err)
	}
	failed := make([]error, len(victims))
	var all sync.WaitGroup
	for i, v := range victims {
		all.Go(func() { failed[i] = k.kill(ctx, env, v) })
	}
	all.Wait()
	return errors.Join(failed...)
}

func (k podKill) kill(ctx context.Context, env Env, v Victim) error {
	if err := alive(ctx, env.Observer, v); err != nil {
		return err
	}
	uid := types.UID(v.UID)
	err := env.Client.CoreV1().Pods(v.Namespace).Delete(ctx, v.Pod, metav1.DeleteOptions{
		GracePeriodSeconds: &k.grace,
		Preconditions:      &metav1.Preconditions{UID: &uid},
	})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("cannot kill %s: it was gone before the fault; something else ended it: %w", v, err)
	case apierrors.IsConflict(err):
		return fmt.Errorf("cannot kill %s: another pod has its name now, so something else ended it: %w", v, err)
	case err != nil:
		return fmt.Errorf("cannot kill %s: %w", v, err)
	}
	return nil
}

// alive holds that there is something to kill, by the kernel of the victim's
// node.
func alive(ctx context.Context, observer Observer, v Victim) error {
	if v.Node == "" {
		return fmt.Errorf("cannot kill %s: it is on no node, so it runs nothing", v)
	}
	n, err := observer.PodProcesses(ctx, v.Node, v.UID)
	switch {
	case err != nil:
		return fmt.Errorf("cannot kill %s: its processes on %s cannot be counted, so its death could not be proven: %w", v, v.Node, err)
	case n < 1:
		return fmt.Errorf("cannot kill %s: it ran nothing: no process of it is on %s, so its death would prove nothing", v, v.Node)
	}
	return nil
}

// Prove waits, for every victim, until the recorder's watch has seen it
// deleted and the kernel of its node has no process of it left. Both are
// needed: with a grace period of 0 the API forgets a pod while its containers
// still answer. Times in the evidence count from the call, which follows the
// injection.
func (k podKill) Prove(ctx context.Context, env Env, victims []Victim) (string, error) {
	if len(victims) == 0 {
		return "", errors.New("pod-kill has no victim, so there is nothing to prove")
	}
	within := time.Duration(k.grace)*time.Second + proofSlack
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	evidence := make([]string, len(victims))
	failed := make([]error, len(victims))
	var all sync.WaitGroup
	for i, v := range victims {
		all.Go(func() { evidence[i], failed[i] = proveKilled(ctx, env.Observer, v) })
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return "", err
	}
	return strings.Join(evidence, "; "), nil
}

func proveKilled(ctx context.Context, observer Observer, v Victim) (string, error) {
	begun := time.Now()
	at, err := observer.WaitPodGone(ctx, v.UID)
	if err != nil {
		return "", fmt.Errorf("%s is not proven dead: after %s the watch has not seen it deleted: %w",
			v, seconds(time.Since(begun)), err)
	}
	gone := fmt.Sprintf("gone from the watch after %s (at %s of the run)", seconds(time.Since(begun)), seconds(at))
	if err := waitNoProcess(ctx, observer, v); err != nil {
		return "", fmt.Errorf("%s is not proven dead: it is %s, but after %s %w",
			v, gone, seconds(time.Since(begun)), err)
	}
	return fmt.Sprintf("%s: %s, no process left on %s after %s", v, gone, v.Node, seconds(time.Since(begun))), nil
}

// waitNoProcess waits until the victim's node has no process of it. An
// observer that cannot look ends the wait: not seeing is not a proof.
func waitNoProcess(ctx context.Context, observer Observer, v Victim) error {
	ticks := time.NewTicker(processPoll)
	defer ticks.Stop()
	seen := "its processes were never counted"
	for {
		left, err := observer.PodProcesses(ctx, v.Node, v.UID)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s on %s: %w", seen, v.Node, ctx.Err())
		case err != nil:
			return fmt.Errorf("its processes on %s cannot be counted: %w", v.Node, err)
		case left == 0:
			return nil
		}
		seen = fmt.Sprintf("%d of its processes were left", left)
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
}

// String names a victim for people: "catalog/1 (pod squall/catalog-xyz)",
// "worker/0 (node worker-1)".
func (v Victim) String() string {
	if v.IsNode() {
		return fmt.Sprintf("%s/%d (node %s)", v.Role, v.Ordinal, v.Node)
	}
	return fmt.Sprintf("%s/%d (pod %s/%s)", v.Role, v.Ordinal, v.Namespace, v.Pod)
}

// seconds writes a duration with the precision a reader cares for.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// nodeSilence is how long a node must have given no sign of life before it
	// counts as off. A kubelet that is merely slow answers sooner.
	nodeSilence = 2 * time.Second
	// nodeProof is how long a node may take to fall silent; a shorter deadline
	// of the caller wins.
	nodeProof = 30 * time.Second
	// nodePoll is the time between two looks at a node: silence is nothing that
	// anybody could tell, so it is asked for.
	nodePoll = 250 * time.Millisecond
)

// nodeOff switches nodes off: NodeChaos stop and power-off. It is held: a node
// that is off stays so until it is started.
type nodeOff struct {
	action nodeAction

	mu sync.Mutex
	// boots are the boots that the injection ended, by the node's UID. What the
	// API says of a node may be from before, so a node counts as back when it
	// is Ready under another boot.
	boots map[string]string
}

var _ Undoer = (*nodeOff)(nil)

func newNodeOff(action nodeAction) *nodeOff {
	return &nodeOff{action: action, boots: map[string]string{}}
}

// Class is Held.
func (*nodeOff) Class() Lease { return Held }

// Inject switches all victims off at once, unless one of them is another node by
// now, or gives no sign of life: that it gives none afterwards would prove
// nothing.
func (o *nodeOff) Inject(ctx context.Context, env Env, victims []Victim) error {
	if len(victims) == 0 {
		return fmt.Errorf("%s has no victim", o.action)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s was not begun: %w", o.action, err)
	}
	boots := make([]string, len(victims))
	err := each(victims, func(i int, v Victim) (err error) {
		boots[i], err = o.boot(ctx, env, v)
		return err
	})
	if err != nil {
		return err
	}
	return each(victims, func(i int, v Victim) error {
		o.note(v, boots[i])
		err := o.off(ctx, env, v)
		if err != nil {
			o.note(v, "") // it may be off or not
		}
		return err
	})
}

// boot looks whether a victim is there and alive, and returns which boot of it
// that is.
func (o *nodeOff) boot(ctx context.Context, env Env, v Victim) (string, error) {
	node, err := env.Client.CoreV1().Nodes().Get(ctx, v.Node, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("cannot %s %s: there is no such node: %w", o.action, v, err)
	case err != nil:
		return "", fmt.Errorf("cannot %s %s: %w", o.action, v, err)
	case string(node.UID) != v.UID:
		return "", fmt.Errorf("cannot %s %s: another node has its name now", o.action, v)
	}
	answers, heard, err := env.Observer.AskNode(ctx, v.Node)
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot %s %s: it cannot be asked for a sign of life, so its end could not be proven: %w", o.action, v, err)
	case !answers:
		return "", fmt.Errorf("cannot %s %s: it gave no sign of life before the fault (%s), so its silence would prove nothing", o.action, v, heard)
	}
	return node.Status.NodeInfo.BootID, nil
}

// note keeps the boot that the injection ends; an empty one forgets it.
func (o *nodeOff) note(v Victim, boot string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.boots[v.UID] = boot; boot == "" {
		delete(o.boots, v.UID)
	}
}

func (o *nodeOff) off(ctx context.Context, env Env, v Victim) error {
	act := env.Nodes.PowerOff
	if o.action == stopAction {
		act = env.Nodes.Stop
	}
	if err := act(ctx, v.Node); err != nil {
		return fmt.Errorf("cannot %s %s: %w", o.action, v, err)
	}
	return nil
}

// Prove waits, for every victim, until it has given no sign of life for
// nodeSilence. That is seen over the network and does not wait for what
// Kubernetes makes of it, which depends on its timers. Times in the evidence
// count from the call, which follows the injection.
func (o *nodeOff) Prove(ctx context.Context, env Env, victims []Victim) (string, error) {
	if len(victims) == 0 {
		return "", fmt.Errorf("%s has no victim, so there is nothing to prove", o.action)
	}
	ctx, cancel := context.WithTimeout(ctx, nodeProof)
	defer cancel()
	evidence := make([]string, len(victims))
	err := each(victims, func(i int, v Victim) (err error) {
		evidence[i], err = waitSilent(ctx, env.Observer, v)
		return err
	})
	if err != nil {
		return "", err
	}
	return strings.Join(evidence, "; "), nil
}

// waitSilent waits until a node has been silent for long enough. A look that is
// not possible breaks the silence: not seeing is not a proof.
func waitSilent(ctx context.Context, observer Observer, v Victim) (string, error) {
	begun := time.Now()
	seen := "it was never asked for a sign of life"
	var since time.Time
	for {
		asked := time.Now()
		answers, heard, err := observer.AskNode(ctx, v.Node)
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("%s is not proven off: after %s %s: %w", v, seconds(time.Since(begun)), seen, context.Cause(ctx))
		case err != nil:
			since, seen = time.Time{}, fmt.Sprintf("it cannot be asked for a sign of life: %v", err)
		case answers:
			since, seen = time.Time{}, "it still answered: "+heard
		default:
			if since.IsZero() {
				since = asked
			}
			if silent := time.Since(since); silent >= nodeSilence {
				return fmt.Sprintf("%s: no sign of life from its kubelet for %s, from %s on: %s", v, seconds(silent), seconds(since.Sub(begun)), heard), nil
			}
			seen = "it was silent for less than " + seconds(nodeSilence) + ": " + heard
		}
		pause(ctx, nodePoll)
	}
}

// Undo starts the nodes.
func (o *nodeOff) Undo(ctx context.Context, env Env, victims []Victim) error {
	return each(victims, func(_ int, v Victim) error {
		if err := env.Nodes.Start(ctx, v.Node); err != nil {
			return fmt.Errorf("cannot start %s again: %w", v, err)
		}
		return nil
	})
}

// ProveGone waits until every victim is Ready by the API's word again, under
// another boot than the one that the injection ended.
func (o *nodeOff) ProveGone(ctx context.Context, env Env, victims []Victim) error {
	return each(victims, func(_ int, v Victim) error {
		for {
			missing := o.missing(ctx, env, v)
			if missing == "" {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%s is not back: %s: %w", v, missing, context.Cause(ctx))
			}
			pause(ctx, nodePoll)
		}
	})
}

// missing says what a node lacks to be back; empty when it is.
func (o *nodeOff) missing(ctx context.Context, env Env, v Victim) string {
	node, err := env.Client.CoreV1().Nodes().Get(ctx, v.Node, metav1.GetOptions{})
	if err != nil {
		return err.Error()
	}
	o.mu.Lock()
	ended, noted := o.boots[v.UID]
	o.mu.Unlock()
	if noted && node.Status.NodeInfo.BootID == ended {
		return "the API knows of no boot of it since"
	}
	if why := unready(node); why != "" || noted {
		return why
	}
	// Nothing is known to have ended it, but what the API says may be old.
	answers, heard, err := env.Observer.AskNode(ctx, v.Node)
	switch {
	case err != nil:
		return err.Error()
	case !answers:
		return "it gives no sign of life: " + heard
	}
	return ""
}

// unready says why a node takes no pods; empty when it does.
func unready(node *corev1.Node) string {
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeNotReady || taint.Key == corev1.TaintNodeUnreachable {
			return "it has the taint " + taint.Key
		}
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return fmt.Sprintf("it is not Ready: %s: %s", c.Reason, c.Message)
		}
		if c.Type == corev1.NodeReady {
			return ""
		}
	}
	return "it has no Ready condition"
}

// each does something to all victims at once and joins what went wrong.
func each(victims []Victim, do func(i int, v Victim) error) error {
	failed := make([]error, len(victims))
	var all sync.WaitGroup
	for i, v := range victims {
		all.Go(func() { failed[i] = do(i, v) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/scenarios"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// drain empties nodes by the API alone, as "kubectl drain" does: it cordons them
// and has every pod evicted that neither a DaemonSet nor the kubelet itself looks
// after. It is held: evictions go on beside the run, and the nodes stay cordoned,
// until it is undone.
type drain struct {
	client  kubernetes.Interface
	nodes   nodeWatch
	grace   *int64
	timeout time.Duration // of the evictions; zero is until the undo

	mu       sync.Mutex
	cordoned map[string]bool   // by this drain, by the node's UID
	became   map[string]string // what became of the pods, by the node's name
	stop     context.CancelFunc
	evicting sync.WaitGroup
}

// nodeWatch is what a recorder's watch says of nodes.
type nodeWatch interface {
	// nodeNow is what the watch saw last of a node.
	nodeNow(name string) (reports.NodeEntry, bool)
}

var _ chaos.Undoer = (*drain)(nil)

// newDrain prepares a drain.
func newDrain(client kubernetes.Interface, nodes nodeWatch, asked scenarios.Drain) *drain {
	d := &drain{client: client, nodes: nodes, timeout: asked.Timeout, cordoned: map[string]bool{}, became: map[string]string{}}
	if asked.Grace != nil {
		seconds := int64(*asked.Grace / time.Second)
		d.grace = &seconds
	}
	return d
}

// Class is Held.
func (*drain) Class() chaos.Lease { return chaos.Held }

// Inject cordons all victims and begins to evict. A node that takes no pods
// already is refused: nothing of it would be this drain's doing.
func (d *drain) Inject(ctx context.Context, _ chaos.Env, victims []chaos.Victim) error {
	if len(victims) == 0 {
		return errors.New("a drain has no victim")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the drain was not begun: %w", err)
	}
	for _, v := range victims {
		if err := d.cordon(ctx, v); err != nil {
			return fmt.Errorf("cannot cordon %s: %w", v, err)
		}
	}
	evicting, stop := context.WithCancel(context.WithoutCancel(ctx))
	if d.timeout > 0 {
		stop()
		evicting, stop = context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	}
	d.mu.Lock()
	d.stop = stop
	d.mu.Unlock()
	for _, v := range victims {
		d.evicting.Go(func() { d.empty(evicting, v.Node) })
	}
	return nil
}

// cordon has a node take no more pods.
func (d *drain) cordon(ctx context.Context, v chaos.Victim) error {
	nodes := d.client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, v.Node, metav1.GetOptions{})
	switch {
	case err != nil:
		return err
	case string(node.UID) != v.UID:
		return errors.New("another node has its name now")
	case node.Spec.Unschedulable:
		return errors.New("it is cordoned already")
	}
	d.note(v, true)
	change := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"unschedulable":true}}`, v.UID)
	_, err = nodes.Patch(ctx, v.Node, types.MergePatchType, change, metav1.PatchOptions{FieldManager: stepManager})
	return err
}

// note keeps whether this drain has a node cordoned.
func (d *drain) note(v chaos.Victim, cordoned bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cordoned[v.UID] = cordoned; !cordoned {
		delete(d.cordoned, v.UID)
	}
}

func (d *drain) has(v chaos.Victim) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cordoned[v.UID]
}

// Prove waits until the recorder's watch shows every victim cordoned. That its pods
// go is what a drain asks of the system under test, whose disruption budgets may
// hold it up; so it is measured, and no part of the proof.
func (d *drain) Prove(ctx context.Context, _ chaos.Env, victims []chaos.Victim) (string, error) {
	if len(victims) == 0 {
		return "", errors.New("a drain has no victim, so there is nothing to prove")
	}
	var names []string
	for _, v := range victims {
		if err := d.wait(ctx, v, true); err != nil {
			return "", err
		}
		names = append(names, v.Node)
	}
	return strings.Join(names, ", ") + ": cordoned, as the watch shows, and pods are being evicted", nil
}

// wait waits until the recorder's watch shows a node cordoned, or not. The watch
// calls nobody back, so it is looked at.
func (d *drain) wait(ctx context.Context, v chaos.Victim, cordoned bool) error {
	for {
		entry, known := d.nodes.nodeNow(v.Node)
		seen := fmt.Sprintf("the watch shows it with unschedulable = %t", entry.Unschedulable)
		switch {
		case !known:
			seen = "the watch has never seen it"
		case cordoned && !d.has(v):
			seen = "it was not cordoned"
		case entry.Unschedulable == cordoned:
			return nil
		}
		timer := time.NewTimer(stepPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %s: %w", v, seen, context.Cause(ctx))
		}
	}
}

// Undo ends the evictions and has the nodes take pods again.
func (d *drain) Undo(ctx context.Context, _ chaos.Env, victims []chaos.Victim) error {
	d.mu.Lock()
	if d.stop != nil {
		d.stop()
	}
	d.mu.Unlock()
	d.evicting.Wait() // each ends with its request
	var failed []error
	for _, v := range victims {
		if !d.has(v) {
			continue
		}
		change := fmt.Appendf(nil, `{"metadata":{"uid":%q},"spec":{"unschedulable":null}}`, v.UID)
		_, err := d.client.CoreV1().Nodes().Patch(ctx, v.Node, types.MergePatchType, change, metav1.PatchOptions{FieldManager: stepManager})
		if err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("cannot uncordon %s: %w", v, err))
		}
	}
	return errors.Join(failed...)
}

// ProveGone waits until the API, and the recorder's watch, show every victim
// uncordoned. One that is gone is not cordoned either.
func (d *drain) ProveGone(ctx context.Context, _ chaos.Env, victims []chaos.Victim) error {
	for _, v := range victims {
		node, err := d.client.CoreV1().Nodes().Get(ctx, v.Node, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return fmt.Errorf("cannot look at %s: %w", v, err)
		case node.Spec.Unschedulable && d.has(v):
			return fmt.Errorf("%s is still cordoned", v)
		}
		if d.has(v) {
			if err := d.wait(ctx, v, false); err != nil {
				return err
			}
		}
		d.note(v, false)
	}
	return nil
}

// annotate tells at the undo what became of the pods of each node.
func (d *drain) annotate(e *reports.EventEntry) {
	if e.Stage != reports.StageUndone {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, v := range e.Victims {
		if what, known := d.became[v.Node]; known {
			all = append(all, v.Node+" "+what)
		}
	}
	if len(all) > 0 {
		e.Detail += "; " + strings.Join(all, ", ")
	}
}

package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/workloads"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// applyStep brings objects into the cluster, in their order, by server-side apply. It
// is instant: what it brings stays until a step of its own deletes it.
type applyStep struct {
	parts []*appliedPart
	asked bool // Inject went through
}

// appliedPart is one of its objects.
type appliedPart struct {
	objects       dynamic.ResourceInterface
	object        *unstructured.Unstructured
	before, after *unstructured.Unstructured // before is nil when there was none
}

var _ chaos.Fault = (*applyStep)(nil)

func newApplyStep(client dynamic.Interface, objects []*unstructured.Unstructured) (*applyStep, error) {
	a := &applyStep{}
	for _, object := range objects {
		resource, err := workloads.Resource(object)
		if err != nil {
			return nil, err
		}
		a.parts = append(a.parts, &appliedPart{objects: client.Resource(resource).Namespace(object.GetNamespace()), object: object})
	}
	return a, nil
}

func (p *appliedPart) name() string { return p.object.GetKind() + "/" + p.object.GetName() }

// changed tells whether the object is another than it was.
func (p *appliedPart) changed() bool {
	return p.after != nil && (p.before == nil || p.before.GetResourceVersion() != p.after.GetResourceVersion())
}

// Class is Instant.
func (*applyStep) Class() chaos.Lease { return chaos.Instant }

// Inject applies the objects. When none of them is new or changed by it, it did
// nothing, and that is an error.
func (a *applyStep) Inject(ctx context.Context, _ chaos.Env, _ []chaos.Victim) error {
	var done []string
	for _, p := range a.parts {
		before, err := p.objects.Get(ctx, p.object.GetName(), metav1.GetOptions{})
		switch {
		case err == nil:
			p.before = before
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("cannot look at %s: %w", p.name(), err)
		}
		p.after, err = p.objects.Apply(ctx, p.object.GetName(), p.object, metav1.ApplyOptions{FieldManager: stepManager, Force: true})
		if err != nil {
			return fmt.Errorf("the API refused %s (applied before it: %s): %w", p.name(), strings.Join(append(done, "nothing else"), ", "), err)
		}
		done = append(done, p.name())
	}
	if !slices.ContainsFunc(a.parts, (*appliedPart).changed) {
		return fmt.Errorf("it changed nothing: %s was so before", strings.Join(done, ", "))
	}
	a.asked = true
	return nil
}

// Prove waits until the API shows each object and, where a controller says which
// generation it has seen, that one. A controller that has yet to write a status says
// so by the time the object has one.
func (a *applyStep) Prove(ctx context.Context, _ chaos.Env, _ []chaos.Victim) (string, error) {
	if !a.asked {
		return "", errors.New("it was not asked for, so there is nothing to show")
	}
	begun := time.Now()
	var all []string
	for _, p := range a.parts {
		evidence, err := p.shown(ctx)
		if err != nil {
			return "", err
		}
		all = append(all, p.name()+" "+evidence)
	}
	return fmt.Sprintf("%s, after %s", strings.Join(all, ", "), time.Since(begun).Round(time.Millisecond)), nil
}

// shown waits until the API shows an object as it was applied.
func (p *appliedPart) shown(ctx context.Context) (evidence string, err error) {
	for {
		now, err := p.objects.Get(ctx, p.object.GetName(), metav1.GetOptions{})
		missing := ""
		switch {
		case apierrors.IsNotFound(err), err == nil && now.GetUID() != p.after.GetUID():
			missing = "it is gone"
		case err != nil:
			missing = err.Error()
		default:
			if seen, tells, err := unstructured.NestedInt64(now.Object, "status", "observedGeneration"); err == nil && tells && seen < p.after.GetGeneration() {
				missing = fmt.Sprintf("its controller has seen its generation %d, and not yet %d", seen, p.after.GetGeneration())
			}
		}
		switch {
		case missing == "" && p.before == nil:
			return "is there", nil
		case missing == "" && p.changed():
			return "is changed", nil
		case missing == "":
			return "is as it was", nil
		}
		timer := time.NewTimer(stepPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", fmt.Errorf("%s: %s: %w", p.name(), missing, context.Cause(ctx))
		}
	}
}

// annotate notes the new generation of a Deployment or StatefulSet, where there is
// one alone: of several it could not be said which is meant.
func (a *applyStep) annotate(e *reports.EventEntry) {
	if e.Stage != reports.StageBitten {
		return
	}
	for _, p := range a.parts {
		rolls := p.object.GetKind() == "Deployment" || p.object.GetKind() == "StatefulSet"
		if !rolls || !p.changed() || p.before != nil && p.before.GetGeneration() == p.after.GetGeneration() {
			continue
		}
		if e.Changed != nil {
			e.Changed = nil
			return
		}
		e.Changed = &reports.Changed{Object: p.name(), UID: string(p.after.GetUID()), Generation: p.after.GetGeneration()}
	}
}

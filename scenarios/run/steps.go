package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"squall/chaos"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// stepPoll is the time between two looks at what a step changed. The first or
// the second answers, so a watch would cost more.
const stepPoll = 50 * time.Millisecond

// stepManager owns the fields that steps change.
const stepManager = "squall-timeline"

// apiStep is a step of the timeline: something that is asked of the API, and happens
// as an instant fault does. It has no victims.
type apiStep struct {
	objects dynamic.ResourceInterface
	what    workloads.PatchTarget
	// send asks for it; before is the object as it was, after as the API says
	// it is, nil when it is to go.
	send func(ctx context.Context, before *unstructured.Unstructured) (after *unstructured.Unstructured, err error)
	// shows tells whether the object, nil when there is none of its UID, is
	// what the step makes of it; missing says what is not.
	shows func(now *unstructured.Unstructured) (evidence, missing string)

	before, after *unstructured.Unstructured // set by Inject
}

var _ chaos.Fault = (*apiStep)(nil)

// newAPIStep prepares a step on one of the objects that there are.
func newAPIStep(client dynamic.Interface, objects []*unstructured.Unstructured, step scenarios.Step) (*apiStep, error) {
	object, err := actsOn(objects, step)
	if err != nil {
		return nil, err
	}
	a := &apiStep{what: workloads.PatchTarget{Kind: object.GetKind(), Name: object.GetName()}}
	resource, err := workloads.Resource(object)
	if err != nil {
		return nil, err
	}
	a.objects = client.Resource(resource)
	if namespace := object.GetNamespace(); namespace != "" {
		a.objects = client.Resource(resource).Namespace(namespace)
	}
	type asked = unstructured.Unstructured
	a.shows = a.changed
	switch {
	case step.Scale != nil:
		change := map[string]any{"spec": map[string]any{"replicas": step.Scale.Replicas}}
		a.send = func(ctx context.Context, before *asked) (*asked, error) { return a.patch(ctx, before, change) }
	case step.Patch != nil:
		a.send = func(ctx context.Context, before *asked) (*asked, error) {
			return a.patch(ctx, before, step.Patch.Patch)
		}
	case step.Rollout != nil:
		a.send = func(ctx context.Context, before *asked) (*asked, error) { return a.rollOut(ctx, before, *step.Rollout) }
	case step.Rollback != nil:
		a.send = func(ctx context.Context, before *asked) (*asked, error) { return a.rollBack(ctx, client, before) }
	case step.Delete != nil:
		a.send, a.shows = a.remove, a.removed
	}
	return a, nil
}

// actsOn is the object that a step acts on.
func actsOn(objects []*unstructured.Unstructured, step scenarios.Step) (*unstructured.Unstructured, error) {
	var what workloads.PatchTarget
	controls := ""
	switch {
	case step.Scale != nil:
		controls = step.Scale.Workload
	case step.Patch != nil:
		what = step.Patch.Target
	case step.Delete != nil:
		what = *step.Delete
	case step.Rollout != nil:
		controls = step.Rollout.Workload
	case step.Rollback != nil:
		controls = step.Rollback.Workload
	}
	if controls != "" {
		if object := scenarios.Controller(objects, controls); object != nil {
			return object, nil
		}
		return nil, fmt.Errorf("no workload rendered a controller %q; validate the scenario", controls)
	}
	for _, object := range objects {
		if object.GetKind() == what.Kind && object.GetName() == what.Name {
			return object, nil
		}
	}
	return nil, fmt.Errorf("no workload rendered %s/%s; validate the scenario", what.Kind, what.Name)
}

// objectsOf are the objects of all workloads.
func objectsOf(rendered []workloads.Rendered) (all []*unstructured.Unstructured) {
	for _, r := range rendered {
		all = append(all, r.Objects...)
	}
	return all
}

// patch changes the object as it was before, and no later one: controllers write to
// it as well, and with their changes in between it could not be told whether this
// one changed anything.
func (a *apiStep) patch(ctx context.Context, before *unstructured.Unstructured, change map[string]any) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("write the change as JSON: %w", err)
	}
	var whole unstructured.Unstructured
	if err := json.Unmarshal(body, &whole.Object); err != nil {
		return nil, fmt.Errorf("read the change as JSON: %w", err)
	}
	whole.SetResourceVersion(before.GetResourceVersion())
	if body, err = json.Marshal(whole.Object); err != nil {
		return nil, fmt.Errorf("write the change as JSON: %w", err)
	}
	return a.objects.Patch(ctx, before.GetName(), types.MergePatchType, body, metav1.PatchOptions{FieldManager: stepManager})
}

// Class is Instant.
func (*apiStep) Class() chaos.Lease { return chaos.Instant }

// Inject asks for the change. One that changes nothing is an error: that the
// object is as it should be would prove nothing.
func (a *apiStep) Inject(ctx context.Context, _ chaos.Env, _ []chaos.Victim) error {
	for {
		before, err := a.objects.Get(ctx, a.what.Name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", a.name(), err)
		}
		after, err := a.send(ctx, before)
		switch {
		case apierrors.IsConflict(err) && ctx.Err() == nil:
			continue // somebody else changed it meanwhile
		case err != nil:
			return fmt.Errorf("the API refused it for %s: %w", a.name(), err)
		case after != nil && after.GetResourceVersion() == before.GetResourceVersion():
			return fmt.Errorf("it changed nothing: %s was so before", a.name())
		}
		a.before, a.after = before, after
		return nil
	}
}

// annotate notes which new generation the step made of its object, so that the
// judge can tell when that is rolled out.
func (a *apiStep) annotate(e *reports.EventEntry) {
	if e.Stage == reports.StageBitten && a.after != nil && a.after.GetGeneration() > a.before.GetGeneration() {
		e.Changed = &reports.Changed{Object: a.name(), UID: string(a.after.GetUID()), Generation: a.after.GetGeneration()}
	}
}

func (a *apiStep) name() string { return a.what.Kind + "/" + a.what.Name }

// remove deletes the object, that one and no namesake; what hangs on it goes
// after it.
func (a *apiStep) remove(ctx context.Context, before *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	uid, background := before.GetUID(), metav1.DeletePropagationBackground
	return nil, a.objects.Delete(ctx, before.GetName(), metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &background,
	})
}

func (a *apiStep) removed(now *unstructured.Unstructured) (evidence, missing string) {
	if now != nil {
		return "", "it is still there"
	}
	return "it is gone", ""
}

// changed tells whether the API shows the object changed and, where a controller
// says which generation it has seen, whether that is it.
func (a *apiStep) changed(now *unstructured.Unstructured) (evidence, missing string) {
	if now == nil {
		return "", "it is gone"
	}
	if now.GetResourceVersion() == a.before.GetResourceVersion() {
		return "", "it is as it was"
	}
	seen, tells, err := unstructured.NestedInt64(now.Object, "status", "observedGeneration")
	switch {
	case err != nil || !tells:
		return "it is changed", ""
	case seen < now.GetGeneration():
		return "", fmt.Sprintf("its controller has seen its generation %d, and not yet %d", seen, now.GetGeneration())
	}
	return fmt.Sprintf("it is changed, and its controller has seen its generation %d", seen), ""
}

// Prove waits until the API shows what the step is to make of the object.
func (a *apiStep) Prove(ctx context.Context, _ chaos.Env, _ []chaos.Victim) (string, error) {
	if a.before == nil {
		return "", errors.New("it was not asked for, so there is nothing to show")
	}
	begun := time.Now()
	for {
		now, err := a.objects.Get(ctx, a.what.Name, metav1.GetOptions{})
		missing := ""
		switch {
		case apierrors.IsNotFound(err), err == nil && now.GetUID() != a.before.GetUID():
			now = nil
		case err != nil:
			missing = err.Error()
		}
		if missing == "" {
			var evidence string
			if evidence, missing = a.shows(now); missing == "" {
				return fmt.Sprintf("%s: %s, after %s", a.name(), evidence, time.Since(begun).Round(time.Millisecond)), nil
			}
		}
		timer := time.NewTimer(stepPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", fmt.Errorf("%s: %s: %w", a.name(), missing, context.Cause(ctx))
		}
	}
}

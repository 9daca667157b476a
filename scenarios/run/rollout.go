package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"squall/scenarios"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// revisionKey is where a Deployment's controller notes, on each ReplicaSet, which
// revision it is of.
const revisionKey = "deployment.kubernetes.io/revision"

// hashKey is the label that a Deployment's controller adds to the pods of each
// ReplicaSet. It is no part of the template that was asked for.
const hashKey = "pod-template-hash"

// rollOut asks for a new revision.
func (a *apiStep) rollOut(ctx context.Context, before *unstructured.Unstructured, r scenarios.Rollout) (*unstructured.Unstructured, error) {
	change, err := r.Change(before, time.Now())
	if err != nil {
		return nil, err
	}
	return a.patch(ctx, before, change)
}

// rollBack asks for the pod template of the revision before the newest. The object
// is replaced as it was before, so that a conflict tells of changes in between; a
// merge patch would keep what the newer template has and the older has not.
func (a *apiStep) rollBack(ctx context.Context, client dynamic.Interface, before *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if paused, _, _ := unstructured.NestedBool(before.Object, "spec", "paused"); paused { // what is no bool is not paused
		return nil, errors.New("it is paused; a rollout that is paused cannot be rolled back")
	}
	if err := a.settled(ctx, before); err != nil {
		return nil, err
	}
	template, err := previousTemplate(ctx, client, before)
	if err != nil {
		return nil, err
	}
	asked := before.DeepCopy()
	if err := unstructured.SetNestedMap(asked.Object, template, "spec", "template"); err != nil {
		return nil, fmt.Errorf("set the older template: %w", err)
	}
	return a.objects.Update(ctx, asked, metav1.UpdateOptions{FieldManager: stepManager})
}

// settled waits until the controller has seen the object as it is: before that, the
// newest revision may not be in its history, and the one before it would be taken
// for the newest.
func (a *apiStep) settled(ctx context.Context, object *unstructured.Unstructured) error {
	for {
		seen, _, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		if err != nil || seen >= object.GetGeneration() {
			return err
		}
		timer := time.NewTimer(stepPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("its controller has seen its generation %d, and not yet %d, so its history is not whole: %w",
				seen, object.GetGeneration(), context.Cause(ctx))
		}
		now, err := a.objects.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		object.Object = now.Object
	}
}

// revision is one of a controller's history.
type revision struct {
	number   int64
	template map[string]any
}

// previousTemplate is the pod template of a controller's revision before its newest.
func previousTemplate(ctx context.Context, client dynamic.Interface, object *unstructured.Unstructured) (map[string]any, error) {
	read, resource := replicaSetRevision, "replicasets"
	if object.GetKind() == "StatefulSet" {
		read, resource = controllerRevision, "controllerrevisions"
	}
	list, err := client.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}).
		Namespace(object.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("read its history: %w", err)
	}
	var history []revision
	for i := range list.Items {
		if owner := metav1.GetControllerOf(&list.Items[i]); owner == nil || owner.UID != object.GetUID() {
			continue
		}
		one, err := read(&list.Items[i])
		if err != nil {
			return nil, fmt.Errorf("read %s of its history: %w", list.Items[i].GetName(), err)
		}
		history = append(history, one)
	}
	if len(history) < 2 {
		return nil, fmt.Errorf("it has %d revisions in its history, so there is none to go back to", len(history))
	}
	slices.SortFunc(history, func(a, b revision) int { return cmp.Compare(a.number, b.number) })
	return history[len(history)-2].template, nil
}

// replicaSetRevision reads a revision of a Deployment.
func replicaSetRevision(set *unstructured.Unstructured) (revision, error) {
	number, err := strconv.ParseInt(set.GetAnnotations()[revisionKey], 10, 64)
	if err != nil {
		return revision{}, fmt.Errorf("its annotation %s is no number: %w", revisionKey, err)
	}
	template, err := templateIn(set.Object)
	if err == nil {
		unstructured.RemoveNestedField(template, "metadata", "labels", hashKey)
	}
	return revision{number, template}, err
}

// controllerRevision reads a revision of a StatefulSet, which is kept as a patch.
func controllerRevision(kept *unstructured.Unstructured) (revision, error) {
	number, _, err := unstructured.NestedInt64(kept.Object, "revision")
	if err != nil {
		return revision{}, err
	}
	data, found, err := unstructured.NestedMap(kept.Object, "data")
	if err != nil || !found {
		return revision{}, errors.Join(errors.New("it has no data"), err)
	}
	template, err := templateIn(data)
	delete(template, "$patch")
	return revision{number, template}, err
}

func templateIn(object map[string]any) (map[string]any, error) {
	template, found, err := unstructured.NestedMap(object, "spec", "template")
	if err == nil && !found {
		err = errors.New("it has no pod template")
	}
	return template, err
}

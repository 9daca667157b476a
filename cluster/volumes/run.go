package volumes

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	// retryFirst and retryLast bound the pause before something that failed is
	// tried again. The first is short, since most failures are a conflict with
	// another writer.
	retryFirst, retryLast = 100 * time.Millisecond, time.Minute
	// tryFor bounds one attempt.
	tryFor = 30 * time.Second
	// byUID is the index of claims by their UID.
	byUID = "uid"
	// nodeLabel is on every CSIStorageCapacity and says which node it is of.
	nodeLabel = "squall.dev/node"
)

// task is one thing to look at again.
type task struct {
	// kind is one of the constants below, name the object's key in its store.
	kind, name string
}

const (
	aClaim  = "claim"
	aVolume = "volume"
	// theNode stands for what concerns no single object: disks that nobody
	// needs, and what is left.
	theNode = "node"
)

// provisioner is one Run. All work is done by one goroutine, a task at a time,
// so no two tasks can disagree on what is free.
type provisioner struct {
	Options
	events     record.EventRecorder
	queue      workqueue.TypedRateLimitingInterface[task]
	claims     cache.Indexer
	volumes    cache.Indexer
	classes    cache.Indexer
	capacities cache.Indexer
	nodes      cache.Indexer
}

// watched is what a provisioner follows, and how it stops following.
type watched struct {
	factories []informers.SharedInformerFactory
	synced    []cache.InformerSynced
}

func (w watched) start(ctx context.Context) {
	for _, f := range w.factories {
		f.StartWithContext(ctx)
	}
}

// shutdown waits until nothing is followed any more; the context must have
// ended.
func (w watched) shutdown() {
	for _, f := range w.factories {
		f.Shutdown()
	}
}

// watch arranges that every change of what matters here becomes a task.
func (p *provisioner) watch() (watched, error) {
	factory := func(options ...informers.SharedInformerOption) informers.SharedInformerFactory {
		return informers.NewSharedInformerFactoryWithOptions(p.Client, 0, append(options, informers.WithTransform(slim))...)
	}
	everything := factory()
	announced := factory(informers.WithNamespace(Namespace), informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = nodeLabel + "=" + p.Node
	}))
	here := factory(informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, p.Node).String()
	}))
	claims, volumes := everything.Core().V1().PersistentVolumeClaims().Informer(), everything.Core().V1().PersistentVolumes().Informer()
	classes, capacities := everything.Storage().V1().StorageClasses().Informer(), announced.Storage().V1().CSIStorageCapacities().Informer()
	nodes := here.Core().V1().Nodes().Informer()
	p.claims, p.volumes, p.classes = claims.GetIndexer(), volumes.GetIndexer(), classes.GetIndexer()
	p.capacities, p.nodes = capacities.GetIndexer(), nodes.GetIndexer()
	err := errors.Join(
		claims.AddIndexers(cache.Indexers{byUID: indexUID}),
		follow(claims, p.handler(aClaim)),
		follow(volumes, p.handler(aVolume)),
		follow(classes, p.handler(theNode)),
		follow(capacities, p.handler(theNode)),
		follow(nodes, p.handler(theNode)),
	)
	return watched{
		factories: []informers.SharedInformerFactory{everything, announced, here},
		synced:    []cache.InformerSynced{claims.HasSynced, volumes.HasSynced, classes.HasSynced, capacities.HasSynced, nodes.HasSynced},
	}, err
}

// run follows claims, volumes and classes, and does what they need.
func (p *provisioner) run(ctx context.Context) error {
	p.queue = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[task](retryFirst, retryLast))
	followed, err := p.watch()
	if err != nil {
		return fmt.Errorf("following claims and volumes: %w", err)
	}
	defer followed.shutdown()
	defer p.queue.ShutDown()
	followed.start(ctx)
	// Nothing is judged before everything is known: a disk whose volume is not
	// in the store yet would be taken for one that nobody needs.
	if !cache.WaitForCacheSync(ctx.Done(), followed.synced...) {
		return nil
	}
	p.queue.Add(task{kind: theNode})
	defer context.AfterFunc(ctx, p.queue.ShutDown)()
	for p.next(ctx) {
	}
	return nil
}

// next does the next task; false means that there will be none.
func (p *provisioner) next(ctx context.Context) bool {
	t, end := p.queue.Get()
	if end {
		return false
	}
	defer p.queue.Done(t)
	if ctx.Err() != nil {
		return false
	}
	try, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	err := p.do(try, t)
	switch {
	case err == nil:
		p.queue.Forget(t)
	case ctx.Err() != nil:
	default:
		if !apierrors.IsConflict(err) {
			p.Log.Warn("will be tried again", "kind", t.kind, "name", t.name, "error", err)
		}
		p.queue.AddRateLimited(t)
	}
	return true
}

func (p *provisioner) do(ctx context.Context, t task) error {
	switch t.kind {
	case aClaim:
		if claim, ok := stored[*corev1.PersistentVolumeClaim](p.claims, t.name); ok {
			return p.claim(ctx, claim)
		}
	case aVolume:
		if volume, ok := stored[*corev1.PersistentVolume](p.volumes, t.name); ok {
			return p.volume(ctx, volume)
		}
	}
	return errors.Join(p.sweep(ctx), p.publish(ctx))
}

// handler makes a task of every change. Several changes of one object that
// wait to be looked at are one task.
func (p *provisioner) handler(kind string) cache.ResourceEventHandler {
	add := func(object any) {
		t := task{kind: kind}
		if kind != theNode {
			t.name, _ = cache.DeletionHandlingMetaNamespaceKeyFunc(object)
		}
		p.queue.Add(t)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) },
		DeleteFunc: func(any) { p.queue.Add(task{kind: theNode}) },
	}
}

func follow(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) error {
	_, err := informer.AddEventHandler(handler)
	return err
}

// slim drops what nobody here reads and what is most of an object. Nothing is
// ever written back as a whole, so nothing gets lost by it.
func slim(object any) (any, error) {
	if o, err := meta.Accessor(object); err == nil {
		o.SetManagedFields(nil)
	}
	return object, nil
}

func indexUID(object any) ([]string, error) {
	o, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	return []string{string(o.GetUID())}, nil
}

// stored is an object out of a store. It is shared: it must not be changed.
func stored[T any](store cache.Store, key string) (T, bool) {
	object, _, _ := store.GetByKey(key) // a store in memory does not fail
	typed, ok := object.(T)
	return typed, ok
}

// ours are the classes that name this provisioner.
func (p *provisioner) ours() map[string]*storagev1.StorageClass {
	found := map[string]*storagev1.StorageClass{}
	for _, object := range p.classes.List() {
		if c, ok := object.(*storagev1.StorageClass); ok && c.Provisioner == Provisioner {
			found[c.Name] = c
		}
	}
	return found
}

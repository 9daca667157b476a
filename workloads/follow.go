package workloads

import (
	"context"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// follower keeps a snapshot of some namespaces up to date by watches.
type follower struct {
	informers []cache.SharedIndexInformer
	changed   chan struct{} // holds one element when something changed
	running   sync.WaitGroup
	cancel    context.CancelFunc

	mu      sync.Mutex
	lastErr error // the newest failure to list or watch
}

// follow starts the watches. The caller must call stop.
func follow(ctx context.Context, client kubernetes.Interface, namespaces []string) (*follower, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{changed: make(chan struct{}, 1), cancel: cancel}
	for _, namespace := range namespaces {
		for _, informer := range informersOf(client, namespace) {
			if err := f.start(ctx, informer); err != nil {
				f.stop()
				return nil, err
			}
		}
	}
	return f, nil
}

// informersOf are the watches of one namespace.
func informersOf(client kubernetes.Interface, namespace string) []cache.SharedIndexInformer {
	pods, deployments := client.CoreV1().Pods(namespace), client.AppsV1().Deployments(namespace)
	endpoints := client.DiscoveryV1().EndpointSlices(namespace)
	return []cache.SharedIndexInformer{
		informer(client, &corev1.Pod{},
			func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) }, pods.Watch),
		informer(client, &appsv1.Deployment{},
			func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return deployments.List(ctx, o)
			}, deployments.Watch),
		informer(client, &discoveryv1.EndpointSlice{},
			func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return endpoints.List(ctx, o) }, endpoints.Watch),
	}
}

// informer makes the watch of one kind.
func informer(client kubernetes.Interface, object runtime.Object,
	list func(context.Context, metav1.ListOptions) (runtime.Object, error),
	watching func(context.Context, metav1.ListOptions) (watch.Interface, error),
) cache.SharedIndexInformer {
	lw := &cache.ListWatch{ListWithContextFunc: list, WatchFuncWithContext: watching}
	return cache.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(lw, client), object, 0, cache.Indexers{})
}

// start runs one watch until ctx ends.
func (f *follower) start(ctx context.Context, informer cache.SharedIndexInformer) error {
	notice := func(any) {
		select {
		case f.changed <- struct{}{}:
		default: // a change is pending already
		}
	}
	failed := func(_ context.Context, _ *cache.Reflector, err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lastErr = err
	}
	if err := informer.SetWatchErrorHandlerWithContext(failed); err != nil {
		return fmt.Errorf("watch the workload: %w", err)
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: notice, UpdateFunc: func(_, now any) { notice(now) }, DeleteFunc: notice,
	}
	if _, err := informer.AddEventHandler(handler); err != nil {
		return fmt.Errorf("watch the workload: %w", err)
	}
	f.informers = append(f.informers, informer)
	f.running.Go(func() { informer.RunWithContext(ctx) })
	f.running.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			notice(nil)
		}
	})
	return nil
}

// stop ends the watches and waits until they have ended.
func (f *follower) stop() {
	f.cancel()
	f.running.Wait()
}

// synced says whether every watch has seen the present state once.
func (f *follower) synced() bool {
	for _, informer := range f.informers {
		if !informer.HasSynced() {
			return false
		}
	}
	return true
}

// trouble is the newest failure to watch, nil when there was none.
func (f *follower) trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastErr
}

// snapshot is the newest state.
func (f *follower) snapshot() snapshot {
	var s snapshot
	for _, informer := range f.informers {
		for _, object := range informer.GetStore().List() {
			switch o := object.(type) {
			case *corev1.Pod:
				s.pods = append(s.pods, o)
			case *appsv1.Deployment:
				s.deployments = append(s.deployments, o)
			case *discoveryv1.EndpointSlice:
				s.slices = append(s.slices, o)
			}
		}
	}
	return s
}

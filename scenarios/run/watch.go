package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

const (
	// firstLook bounds how long the first lists may take on a cluster that is
	// ready.
	firstLook = 30 * time.Second
	// finalLook bounds how long reading the final state may take.
	finalLook = 10 * time.Second
	// retryEvery is the wait between two attempts to watch again. The server is
	// the run's own, so there is nobody to be polite to.
	retryEvery = 100 * time.Millisecond
	// blindLimit is how long a watch may see nothing before what it misses
	// matters: the times of healing are bounded in seconds.
	blindLimit = 2 * time.Second
)

// watches are the watches of a recorder.
type watches struct {
	sources []source
	secrets source // one of them
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// source is one kind of object, in the scenario's namespace where it has one.
type source struct {
	what  string // "pods"
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
	// aside is set when no verdict rests on it.
	aside bool
	// see takes one change, replace a whole list.
	see     func(object runtime.Object, deleted bool)
	replace func(list runtime.Object)
}

// sources are what the recorder watches.
func (r *recorder) sources(client kubernetes.Interface) []source {
	pods := client.CoreV1().Pods(scenarios.Namespace)
	nodes := client.CoreV1().Nodes()
	endpoints := client.DiscoveryV1().EndpointSlices(scenarios.Namespace)
	all := []source{{
		what:    "pods",
		list:    func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) },
		watch:   pods.Watch,
		see:     seeing(r.seePod),
		replace: func(list runtime.Object) { r.replacePods(items[*corev1.Pod](list)) },
	}, {
		what:    "endpoint slices",
		list:    func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return endpoints.List(ctx, o) },
		watch:   endpoints.Watch,
		see:     seeing(r.seeSlice),
		replace: func(list runtime.Object) { r.replaceSlices(items[*discoveryv1.EndpointSlice](list)) },
	}, {
		what:    "nodes",
		list:    func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return nodes.List(ctx, o) },
		watch:   nodes.Watch,
		see:     seeing(r.seeNode),
		replace: func(list runtime.Object) { r.replaceNodes(items[*corev1.Node](list)) },
	}, r.hpaSource(client)}
	return slices.Insert(all, 1, r.controllerSources(client)...) // after the pods, of which their states tell
}

// seeing turns away what is not of the kind that see takes.
func seeing[T runtime.Object](see func(T, bool)) func(runtime.Object, bool) {
	return func(object runtime.Object, deleted bool) {
		if typed, ok := object.(T); ok {
			see(typed, deleted)
		}
	}
}

// items are the objects of a list, those of the kind T.
func items[T runtime.Object](list runtime.Object) []T {
	var typed []T
	// The function fails never, and so does EachListItem then, on lists that a
	// typed client made.
	_ = meta.EachListItem(list, func(object runtime.Object) error {
		if one, ok := object.(T); ok {
			typed = append(typed, one)
		}
		return nil
	})
	return typed
}

// start begins to watch and returns once each watch has listed what is there.
// The caller must call stop.
func (r *recorder) start(ctx context.Context, client kubernetes.Interface) error {
	r.client = client
	looking, done := context.WithTimeoutCause(ctx, firstLook, fmt.Errorf("no answer within %s", firstLook))
	defer done()
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	secrets := r.secretSource(client)
	sources := append([]source{secrets}, r.sources(client)...) // what is secret is known first
	sources = append(sources, r.tenantSources(client)...)
	w := &watches{sources: append(sources, r.noticeSources(client)...), secrets: secrets, cancel: cancel}
	r.watches = w
	for _, s := range w.sources {
		version, err := s.look(looking)
		if err != nil {
			return fmt.Errorf("begin to watch the %s of the cluster: %w", s.what, err)
		}
		w.running.Go(func() { r.follow(following, s, version) })
	}
	w.running.Go(func() { r.tellNotices(following, secrets) })
	w.running.Go(func() { r.followUsage(following, client) })
	return nil
}

// stop ends the watches and waits until they have ended. Stopping what never
// started, or again, does nothing.
func (r *recorder) stop() {
	if r.watches != nil {
		r.watches.cancel()
		r.watches.running.Wait()
	}
}

// final ends the watches and records the state at the end, by lists, which are
// as new as can be.
func (r *recorder) final(ctx context.Context) error {
	r.stop()
	ctx, cancel := context.WithTimeoutCause(ctx, finalLook, fmt.Errorf("no answer within %s", finalLook))
	defer cancel()
	for _, s := range r.watches.sources {
		if _, err := s.look(ctx); err != nil && !s.aside {
			return fmt.Errorf("read the final state of the cluster's %s: %w", s.what, err)
		}
	}
	r.recordNotices(ctx, r.watches.secrets)
	r.recordStates()
	return nil
}

// look takes a list and returns its version.
func (s source) look(ctx context.Context) (version string, err error) {
	list, err := s.list(ctx, metav1.ListOptions{})
	if err != nil {
		return "", errors.Join(err, context.Cause(ctx))
	}
	listed, err := meta.ListAccessor(list)
	if err != nil {
		return "", err
	}
	s.replace(list)
	return listed.GetResourceVersion(), nil
}

// follow watches from a version on until ctx ends. A watch that breaks is taken
// up where it ended, so that nothing is lost; only when the server does not
// remember that far, what is there is listed anew. Being blind for longer than
// matters is recorded as a trouble.
func (r *recorder) follow(ctx context.Context, s source, version string) {
	blind := reports.Offset(-1) // since when; negative while it sees
	var why error
	for ctx.Err() == nil {
		w, err := s.resume(ctx, &version)
		if err == nil {
			r.regained(s, &blind, why)
			err = s.take(ctx, w, &version)
		}
		if ctx.Err() != nil {
			break
		}
		if why = err; blind < 0 {
			blind = r.clock.now()
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
		}
	}
	r.regained(s, &blind, why)
}

// regained ends a time of blindness, if there is one.
func (r *recorder) regained(s source, blind *reports.Offset, why error) {
	since := *blind
	*blind = -1
	if lasted := r.clock.now() - since; since >= 0 && lasted > blindLimit {
		r.blind(s, fmt.Sprintf("the cluster's API told nothing of its %s for %s from %s of the run on (%v): what changed then is recorded late, or not at all",
			s.what, reports.Duration(lasted), reports.Duration(since), why))
	}
}

// resume watches from a version on; an empty one, or one that the server has
// forgotten, begins with a list.
func (s source) resume(ctx context.Context, version *string) (watch.Interface, error) {
	if *version == "" {
		listed, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		*version = listed
	}
	w, err := s.watch(ctx, metav1.ListOptions{ResourceVersion: *version, AllowWatchBookmarks: true})
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		*version = ""
	}
	return w, err
}

// take takes the changes of a watch until it ends, and keeps the version up to
// which it has seen. The error is why it ended; servers end watches at times.
func (s source) take(ctx context.Context, w watch.Interface, version *string) error {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, open := <-w.ResultChan():
			if !open {
				return errors.New("the server ended the watch")
			}
			if event.Type == watch.Error {
				*version = "" // whatever it is, the version may be why
				return apierrors.FromObject(event.Object)
			}
			if object, err := meta.Accessor(event.Object); err == nil {
				*version = object.GetResourceVersion()
			}
			if event.Type != watch.Bookmark {
				s.see(event.Object, event.Type == watch.Deleted)
			}
		}
	}
}

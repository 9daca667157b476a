package run

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// ready is a pod of the catalog that is ready, at a version.
func ready(name, version string) *corev1.Pod {
	p := pod("catalog", name, 0, "w1")
	p.ResourceVersion = version
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return &p
}

// server is an API that serves pods from scripts.
type server struct {
	lists   []*corev1.PodList // one a list, the last one again
	listed  int
	asked   []string // the versions that watches began at
	watches []func(*watch.FakeWatcher) error
	down    time.Duration // until when nothing can be watched, from the first watch on
}

func (s *server) source(r *recorder) source {
	return source{
		what: "pods",
		list: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			s.listed++
			return s.lists[min(s.listed, len(s.lists))-1], nil
		},
		watch: func(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if s.asked != nil && r.clock.now() < s.down {
				return nil, errors.New("connection refused")
			}
			s.asked = append(s.asked, o.ResourceVersion)
			w := watch.NewFakeWithChanSize(100, false)
			if len(s.watches) == 0 {
				return w, nil
			}
			next := s.watches[0]
			s.watches = s.watches[1:]
			return w, next(w)
		},
		see:     seeing(r.seePod),
		replace: func(list runtime.Object) { r.replacePods(items[*corev1.Pod](list)) },
	}
}

// follow lets a recorder follow a server in a bubble, for a minute.
func follow(t *testing.T, s *server, wants int) (record *tape, r *recorder) {
	t.Helper()
	record = &tape{}
	synctest.Test(t, func(t *testing.T) {
		r = newRecorder(newClock(), record.add, []workloads.Role{{
			Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: wants,
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		one := s.source(r)
		version, err := one.look(ctx)
		require.NoError(t, err)
		r.follow(ctx, one, version)
	})
	return record, r
}

func podList(version string, pods ...*corev1.Pod) *corev1.PodList {
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: version}}
	for _, p := range pods {
		list.Items = append(list.Items, *p)
	}
	return list
}

func TestWatchIsTakenUpWhereItEnded(t *testing.T) {
	s := &server{
		lists: []*corev1.PodList{podList("5", ready("a", "3"), ready("b", "4"))},
		watches: []func(*watch.FakeWatcher) error{
			func(w *watch.FakeWatcher) error { w.Delete(ready("a", "7")); w.Stop(); return nil },
			func(w *watch.FakeWatcher) error {
				w.Action(watch.Bookmark, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "9"}})
				w.Stop()
				return nil
			},
		},
	}
	record, r := follow(t, s, 2)
	assert.Equal(t, []string{"5", "7", "9"}, s.asked)
	assert.Equal(t, 1, s.listed)
	assert.Equal(t, reports.Never, r.wholeSince())
	assert.Empty(t, record.troubles())
	assert.Equal(t, []string{"a Running", "catalog 1/2", "b Running", "catalog 2/2", "a deleted", "catalog 1/2"}, lines(record))
}

func TestForgottenVersionIsListedAnew(t *testing.T) {
	gone := apierrors.NewResourceExpired("too old")
	for name, forget := range map[string]func(*watch.FakeWatcher) error{
		"in the answer": func(*watch.FakeWatcher) error { return gone },
		"in the stream": func(w *watch.FakeWatcher) error { w.Error(&gone.ErrStatus); w.Stop(); return nil },
	} {
		s := &server{
			lists:   []*corev1.PodList{podList("5", ready("a", "3")), podList("9", ready("b", "8"))},
			watches: []func(*watch.FakeWatcher) error{forget},
		}
		record, r := follow(t, s, 1)
		assert.Equal(t, []string{"5", "9"}, s.asked, name)
		assert.Equal(t, []string{"a Running", "catalog 1/1", "b Running", "catalog 2/1", "a deleted", "catalog 1/1"}, lines(record), name)
		assert.Equal(t, retryEvery, r.pods["uid-a"].goneAt, name)
		assert.Empty(t, record.troubles(), name)
	}
}

func TestBlindnessIsToldWhenItMatters(t *testing.T) {
	broken := func(w *watch.FakeWatcher) error { w.Stop(); return nil }
	for down, wants := range map[time.Duration]int{
		blindLimit:               0,
		blindLimit + time.Second: 1,
		time.Hour:                1, // it never sees again
	} {
		s := &server{lists: []*corev1.PodList{podList("5")}, watches: []func(*watch.FakeWatcher) error{broken}, down: down}
		record, _ := follow(t, s, 0)
		require.Len(t, record.troubles(), wants, down)
		if wants > 0 {
			assert.Equal(t, reports.TroubleEnvironment, record.troubles()[0].Class)
			assert.Regexp(t, `^the cluster's API told nothing of its pods for \S+ from 0s of the run on \(connection refused\)`, record.troubles()[0].What)
		}
	}
}

// lines are pod and workload entries, briefly.
func lines(record *tape) (all []string) {
	for _, e := range record.all() {
		switch {
		case e.Pod != nil && e.Pod.Deleted:
			all = append(all, e.Pod.Name[len(scenarios.Namespace)+1:]+" deleted")
		case e.Pod != nil:
			all = append(all, e.Pod.Name[len(scenarios.Namespace)+1:]+" "+e.Pod.Phase)
		case e.Workload != nil:
			all = append(all, e.Workload.Name+" "+string(rune('0'+e.Workload.Ready))+"/"+string(rune('0'+e.Workload.Desired)))
		case e.Endpoint != nil:
			text := e.Endpoint.Service
			for _, name := range e.Endpoint.Ready {
				text += " " + name
			}
			all = append(all, text)
		}
	}
	return all
}

func TestStateFollowsWhatIsSeen(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, []workloads.Role{{
		Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: 1, Controller: "Deployment",
	}})
	two, seven := int32(2), int32(7)
	deployment := func(name string, replicas *int32) *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: scenarios.Namespace, Name: name}, Spec: appsv1.DeploymentSpec{Replicas: replicas}}
	}
	r.seeDeployment(deployment("catalog", &two), false)
	r.seeDeployment(deployment("catalog", &two), false) // nothing new
	r.seeDeployment(deployment("other", &seven), false) // nobody's
	r.seePod(ready("a", "1"), false)
	r.seePod(ready("a", "2"), false) // nothing new but its version
	leaving := ready("a", "3")
	leaving.DeletionTimestamp = new(metav1.Now())
	r.seePod(leaving, false) // no longer counts, although it is ready
	r.seePod(leaving, true)
	r.seePod(leaving, true)
	other := pod("other", "o", 0, "w1")
	r.seePod(&other, false) // recorded, and of no role
	r.seeDeployment(deployment("catalog", nil), false)
	r.seeDeployment(deployment("catalog", &two), true)
	assert.Equal(t, []string{
		"catalog 0/2", "a Running", "catalog 1/2", "a Running", "catalog 0/2", "a deleted", "catalog 0/2", "o Running",
		"catalog 0/1",
	}, lines(&record))
}

func TestEndpointsAreThoseOfAllSlices(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	yes, no := true, false
	slice := func(name string, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "squall", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "catalog"}},
			Endpoints:  endpoints,
		}
	}
	endpoint := func(pod string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: ready}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod}}
	}
	r.seeSlice(slice("one", endpoint("b", &yes), endpoint("x", &no), endpoint("a", nil)), false)
	r.seeSlice(slice("two", endpoint("c", &yes), endpoint("a", &yes)), false)
	r.seeSlice(slice("two", endpoint("c", &yes)), false) // a is still in the other
	r.seeSlice(slice("one"), true)
	r.replaceSlices(nil)
	assert.Equal(t, []string{"squall/catalog a b", "squall/catalog a b c", "squall/catalog c", "squall/catalog"}, lines(&record))
}

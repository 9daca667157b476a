package run

import (
	"context"
	"slices"
	"sync"

	"squall/reports"
	"squall/workloads"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// recorder watches the scenario's namespace and the nodes, and records what
// changes there. It sees with its own watches and asks no injector; faults prove
// themselves by it, see observe.go.
type recorder struct {
	clock clock
	add   func(reports.Entry)
	roles []workloads.Role
	// processes counts a pod's processes on a node, by the node's kernel.
	processes func(ctx context.Context, node, uid string) (int, error)

	// podSeen, when not nil, is told of each change of a pod before it is
	// recorded.
	podSeen func(*corev1.Pod)

	client  kubernetes.Interface // from start on
	watches *watches             // nil until start
	secrets *redactor

	mu       sync.Mutex
	pods     map[types.UID]*podLife
	desired  map[string]int // by role, what its live controller declares
	slices   map[string]*discoveryv1.EndpointSlice
	services map[string][]string          // what was recorded last of each
	nodes    map[string]reports.NodeEntry // what was recorded last of each
	rollouts map[string]reports.RolloutEntry
	tenants  tenants
	hpas     map[string]reports.HPAEntry // what was recorded last of each
	notices  notices
	since    reports.Offset              // when every role became whole; Never while one is not, or a rollout is under way
	awaited  map[types.UID]chan struct{} // closed when the watch first sees the pod
}

// podLife is what the watch knows of one pod.
type podLife struct {
	role   string
	entry  reports.PodEntry // what was recorded last
	gone   chan struct{}    // closed when it was seen deleted
	goneAt reports.Offset
}

func newRecorder(clock clock, add func(reports.Entry), roles []workloads.Role) *recorder {
	r := &recorder{
		clock: clock, add: add, roles: roles,
		pods: map[types.UID]*podLife{}, desired: map[string]int{},
		slices: map[string]*discoveryv1.EndpointSlice{}, services: map[string][]string{},
		nodes: map[string]reports.NodeEntry{}, rollouts: map[string]reports.RolloutEntry{},
		tenants: tenants{pods: map[types.UID]tenant{}, told: map[string][]string{}},
		hpas:    map[string]reports.HPAEntry{},
		secrets: &redactor{}, notices: notices{seen: map[types.UID]int32{}},
		since: reports.Never, awaited: map[types.UID]chan struct{}{},
	}
	r.noteWhole(clock.now())
	return r
}

// seePod records what the watch says of a pod, if that is new, and what it
// makes of its workload. The workload's state follows the pod's, at the same
// offset: the judge looks for a state after the loss of a pod.
func (r *recorder) seePod(pod *corev1.Pod, deleted bool) {
	if r.podSeen != nil && !deleted {
		r.podSeen(pod)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.clock.now()
	life := r.pods[pod.UID]
	if life == nil {
		life = &podLife{role: r.roleOf(pod), gone: make(chan struct{})}
		r.pods[pod.UID] = life
		if wanted, ok := r.awaited[pod.UID]; ok {
			close(wanted)
			delete(r.awaited, pod.UID)
		}
	}
	entry := podEntry(pod, life.role, deleted)
	if samePod(entry, life.entry) || life.entry.Deleted {
		return
	}
	life.entry = entry
	r.add(reports.Entry{At: at, Kind: reports.KindPod, Pod: &entry})
	if deleted {
		life.goneAt = at
		close(life.gone)
	}
	r.recordRole(life.role, at)
}

// replacePods takes a whole list: pods that are not in it were deleted while
// nobody looked.
func (r *recorder) replacePods(pods []*corev1.Pod) {
	listed := map[types.UID]bool{}
	for _, pod := range pods {
		listed[pod.UID] = true
		r.seePod(pod, false)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, life := range r.pods {
		if listed[uid] || life.entry.Deleted {
			continue
		}
		life.entry.Deleted, life.entry.Ready, life.goneAt = true, false, r.clock.now()
		entry := life.entry
		r.add(reports.Entry{At: life.goneAt, Kind: reports.KindPod, Pod: &entry})
		close(life.gone)
		r.recordRole(life.role, life.goneAt)
	}
}

// recordRole records the state of a role; the caller holds the lock.
func (r *recorder) recordRole(name string, at reports.Offset) {
	for _, role := range r.roles {
		if role.Name == name {
			state := r.state(role)
			r.add(reports.Entry{At: at, Kind: reports.KindWorkload, Workload: &state})
		}
	}
	r.noteWhole(at)
}

// state is the state of a role; the caller holds the lock.
func (r *recorder) state(role workloads.Role) reports.WorkloadEntry {
	state := reports.WorkloadEntry{Name: role.Name, Desired: role.Desired}
	if wants, known := r.desired[role.Name]; known {
		state.Desired = wants
	}
	for _, life := range r.pods {
		if life.role != role.Name || life.entry.Deleted || life.entry.Terminating {
			continue
		}
		state.Pods++
		if life.entry.Ready {
			state.Ready++
		}
	}
	return state
}

// noteWhole notes since when every role has as many ready pods as it wants and no
// rollout is under way; the caller holds the lock.
func (r *recorder) noteWhole(at reports.Offset) {
	short := slices.ContainsFunc(r.roles, func(role workloads.Role) bool {
		state := r.state(role)
		return state.Ready < state.Desired
	})
	if short || r.rolling() {
		r.since = reports.Never
		return
	}
	r.since = min(r.since, at)
}

// wholeSince is since when every role has had as many ready pods as it wants, of the
// revision that is asked for, without a break; [reports.Never] while one has not.
func (r *recorder) wholeSince() reports.Offset {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since
}

// recordStates records the state of every role anew.
func (r *recorder) recordStates() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, role := range r.roles {
		r.recordRole(role.Name, r.clock.now())
	}
}

// seeSlice records the ready addresses of the Service that a slice belongs to.
func (r *recorder) seeSlice(slice *discoveryv1.EndpointSlice, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slices[slice.Name] = slice; deleted {
		delete(r.slices, slice.Name)
	}
	r.recordService(slice.Namespace, slice.Labels[discoveryv1.LabelServiceName])
}

// replaceSlices takes a whole list.
func (r *recorder) replaceSlices(list []*discoveryv1.EndpointSlice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	touched := map[types.NamespacedName]bool{}
	for _, slice := range r.slices {
		touched[types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}] = true
	}
	clear(r.slices)
	for _, slice := range list {
		r.slices[slice.Name] = slice
		touched[types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}] = true
	}
	for service := range touched {
		r.recordService(service.Namespace, service.Name)
	}
}

// recordService records a Service's ready addresses when they are new; the
// caller holds the lock.
func (r *recorder) recordService(namespace, name string) {
	ready := []string{}
	for _, slice := range r.slices {
		if slice.Labels[discoveryv1.LabelServiceName] == name {
			ready = append(ready, readyAddresses(slice)...)
		}
	}
	slices.Sort(ready)
	ready = slices.Compact(ready)
	service := namespace + "/" + name
	if had, known := r.services[service]; name == "" || known && slices.Equal(had, ready) {
		return
	}
	r.services[service] = ready
	r.add(reports.Entry{At: r.clock.now(), Kind: reports.KindEndpoint, Endpoint: &reports.EndpointEntry{Service: service, Ready: ready}})
}

// roleOf is the role that a pod belongs to, empty when it has none.
func (r *recorder) roleOf(pod *corev1.Pod) string {
	for _, role := range r.roles {
		if belongs(pod, role) {
			return role.Name
		}
	}
	return ""
}

// belongs tells whether a pod is one of a role's.
func belongs(pod *corev1.Pod, role workloads.Role) bool {
	return pod.Namespace == role.Namespace && labels.SelectorFromSet(role.Labels).Matches(labels.Set(pod.Labels))
}

// readyAddresses are the names of the pods that a slice calls ready, or the
// address of what is no pod.
func readyAddresses(slice *discoveryv1.EndpointSlice) []string {
	var names []string
	for _, endpoint := range slice.Endpoints {
		if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
			continue
		}
		if endpoint.TargetRef != nil && endpoint.TargetRef.Kind == "Pod" {
			names = append(names, endpoint.TargetRef.Name)
			continue
		}
		names = append(names, endpoint.Addresses...)
	}
	return names
}

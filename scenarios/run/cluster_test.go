package run

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"squall/chaos"
	"squall/chaos/chaostest"
	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/plan"
	"squall/workloads"
	"squall/workloads/image"
	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// TestOnOneCluster is what needs a real cluster, but not one of its own.
func TestOnOneCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := newProvider(t)
	folder, err := image.DefaultDir()
	require.NoError(t, err)
	shopImage, err := image.Builder{Dir: folder}.FromProgram(ctx, shop.Program())
	require.NoError(t, err)
	c, err := p.Create(ctx, cluster.Spec{
		Name: "run-test-" + randomHex(3), Workers: 2, Images: []image.Image{shopImage}, Timers: cluster.FastTimers,
	}, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Remove(context.WithoutCancel(ctx), c.Info().Name)) }()
	kubeconfig, err := c.Kubeconfig()
	require.NoError(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	deployed(ctx, t, config, client)

	t.Run("what never gets ready", func(t *testing.T) { testNotReady(ctx, t, config, client) })
	t.Run("victims of all modes", func(t *testing.T) { testModes(ctx, t, client) })
	t.Run("the watch resumes", func(t *testing.T) { testResume(ctx, t, config, client) })
	t.Run("pod-kill keeps the contract", func(t *testing.T) { testContract(ctx, t, c, client) })
	for _, action := range []string{"stop", "power-off"} {
		t.Run(action+" keeps the contract", func(t *testing.T) { testNodeContract(ctx, t, c, client, action) })
	}
	t.Run("drain keeps the contract", func(t *testing.T) { testDrain(ctx, t, c, client) })
	t.Run("a step of each verb", func(t *testing.T) { testSteps(ctx, t, config, client) }) // the last takes the catalog away
}

// deployed brings the catalog up, three times, where the recorder looks.
func deployed(ctx context.Context, t *testing.T, config *rest.Config, client kubernetes.Interface) {
	t.Helper()
	r, err := workloads.Render("shop", scenarios.Namespace, &shop.Spec{Services: []string{"catalog"}, Replicas: map[string]int{"catalog": 3}}, nil)
	require.NoError(t, err)
	require.NoError(t, workloads.Apply(ctx, config, r))
	require.NoError(t, workloads.WaitReady(ctx, client, r))
}

// testNotReady reads the sentences for workloads that cannot come up, as the
// real API tells about them.
func testNotReady(ctx context.Context, t *testing.T, config *rest.Config, client kubernetes.Interface) {
	container := func(fields map[string]any) map[string]any {
		probe := map[string]any{"httpGet": map[string]any{"path": "/readyz", "port": int64(8080)}}
		base := map[string]any{"name": "shop", "image": shop.Program().Ref, "readinessProbe": probe}
		maps.Copy(base, fields)
		return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{base}}}}}
	}
	for name, one := range map[string]struct {
		change map[string]any
		says   []string
	}{
		"absent": {container(map[string]any{"image": "squall.local/absent:v1", "imagePullPolicy": "Never"}),
			[]string{"catalog has 0 of 1 pods ready", "has no image", "squall.local/absent:v1", "ErrImageNeverPull"}},
		"crashing": {container(map[string]any{"args": []any{"nonsense"}}),
			[]string{"crashes again and again", "restarts", "last lines of pod", "nonsense"}},
		"huge": {container(map[string]any{"resources": map[string]any{"requests": map[string]any{"memory": "9Ti"}}}),
			[]string{"fits on no node", "Insufficient memory"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := workloads.Render("shop", name, &shop.Spec{Services: []string{"catalog"}}, []workloads.Patch{{
				Name: "break", Target: workloads.PatchTarget{Kind: "Deployment", Name: "catalog"}, Patch: one.change,
			}})
			require.NoError(t, err)
			require.NoError(t, workloads.Apply(ctx, config, r))
			limited, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			err = workloads.WaitReady(limited, client, r)
			var notReady *workloads.NotReadyError
			require.ErrorAs(t, err, &notReady)
			require.NoError(t, limited.Err(), "it is hopeless before the deadline: %v", err)
			t.Log(err)
			text := err.Error() + "\n" + workloads.Why(ctx, client, r)
			for _, part := range one.says {
				assert.Contains(t, text, part)
			}
		})
	}
}

// testModes resolves one event of each mode against the live pods.
func testModes(ctx context.Context, t *testing.T, client kubernetes.Interface) {
	s := podKill(t, "{warmup: 1s, steady: 1s, fault: 3s, recovery: 4s}")
	counts := map[string]int{}
	s.Spec.Timeline = nil
	for mode, one := range map[string]struct {
		value string
		hits  int
	}{
		"one": {"", 1}, "all": {"", 3}, "fixed": {`,"value":"2"`, 2}, "fixed-percent": {`,"value":"50"`, 2},
		"random-max-percent": {`,"value":"100"`, -1},
	} {
		fault, err := chaos.Decode([]byte(`{"kind":"PodChaos","spec":{"action":"pod-kill","selector":{"labelSelectors":{"app":"catalog"}},"mode":"` + mode + `"` + one.value + `}}`))
		require.NoError(t, err)
		s.Spec.Timeline = append(s.Spec.Timeline, scenarios.Step{
			Name: mode, At: scenarios.Moment{Phase: "fault"}, Chaos: fault.In(scenarios.Namespace),
		})
		counts[mode] = one.hits
	}
	planned, err := plan.Make(s, 11, "test", false)
	require.NoError(t, err)
	rendered, err := s.Render()
	require.NoError(t, err)
	now, err := lookAround(ctx, client)
	require.NoError(t, err)
	require.Len(t, planned.Events, 5)
	for _, event := range planned.Events {
		at := slices.IndexFunc(s.Spec.Timeline, func(one scenarios.Step) bool { return one.Name == event.Name })
		hit := victims(event, s.Spec.Timeline[at].Chaos, nil, rolesOf(rendered), now)
		want := counts[event.Name]
		if want < 0 {
			want = event.Count.Of(3)
		}
		require.Len(t, hit, want, event.Name)
		for i, v := range hit {
			assert.Equal(t, event.Candidates[i], plan.Candidate{Role: v.Role, Ordinal: v.Ordinal}, event.Name)
			pod, err := client.CoreV1().Pods(v.Namespace).Get(ctx, v.Pod, metav1.GetOptions{})
			require.NoError(t, err)
			assert.Equal(t, []string{string(pod.UID), pod.Spec.NodeName}, []string{v.UID, v.Node})
		}
	}
}

// tape collects what a recorder records.
type tape struct {
	mu      sync.Mutex
	entries []reports.Entry
}

func (t *tape) add(e reports.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, e)
}

func (t *tape) all() []reports.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.entries)
}

// troubles are the troubles among them.
func (t *tape) troubles() (all []reports.TroubleEntry) {
	for _, e := range t.all() {
		if e.Kind == reports.KindTrouble {
			all = append(all, *e.Trouble)
		}
	}
	return all
}

// roles are those of the deployed shop.
func roles(t *testing.T) []workloads.Role {
	t.Helper()
	r, err := workloads.Render("shop", scenarios.Namespace, &shop.Spec{Services: []string{"catalog"}, Replicas: map[string]int{"catalog": 3}}, nil)
	require.NoError(t, err)
	return r.Roles
}

// whole tells whether a recorder sees every role whole.
func whole(r *recorder) func() bool {
	return func() bool { return r.wholeSince() < reports.Never }
}

// testResume breaks the recorder's connections while pods die.
func testResume(ctx context.Context, t *testing.T, config *rest.Config, client kubernetes.Interface) {
	door := newDoor(t, strings.TrimPrefix(config.Host, "https://"))
	through := rest.CopyConfig(config)
	through.Host = "https://" + door.listener.Addr().String()
	watching, err := kubernetes.NewForConfig(through)
	require.NoError(t, err)
	var record tape
	r := newRecorder(newClock(), record.add, roles(t))
	require.NoError(t, r.start(ctx, watching))
	defer r.stop()
	require.True(t, whole(r)())

	kill := func() string {
		now, err := lookAround(ctx, client)
		require.NoError(t, err)
		pod := now.of(r.roles[0])[0]
		zero := int64(0)
		require.NoError(t, client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero}))
		return string(pod.UID)
	}
	gone := func(uid string) {
		limited, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		_, err := r.WaitPodGone(limited, uid)
		require.NoError(t, err)
		require.Eventually(t, whole(r), 20*time.Second, 50*time.Millisecond, "the replacement is seen too")
	}
	door.shut()
	uid := kill()
	door.open()
	gone(uid)
	assert.Empty(t, record.troubles(), "a short break that loses nothing is none")

	door.shut()
	uid = kill()
	time.Sleep(blindLimit + 500*time.Millisecond) // the time of blindness is what is tested
	door.open()
	gone(uid)
	require.Eventually(t, func() bool { return len(record.troubles()) > 0 }, 10*time.Second, 50*time.Millisecond)
	assert.Equal(t, reports.TroubleEnvironment, record.troubles()[0].Class)
	assert.Contains(t, record.troubles()[0].What, "the cluster's API told nothing of its ")

	require.NoError(t, r.final(ctx))
	entries := record.all()
	assert.Equal(t, &reports.WorkloadEntry{Name: "catalog", Desired: 3, Ready: 3, Pods: 3}, entries[len(entries)-1].Workload)
}

// testContract holds the real pod-kill to the contract of all faults, seen by
// the real observer.
func testContract(ctx context.Context, t *testing.T, c cluster.Cluster, client kubernetes.Interface) {
	var record tape
	r := newRecorder(newClock(), record.add, roles(t))
	r.processes = c.PodProcesses
	require.NoError(t, r.start(ctx, client))
	defer r.stop()
	require.Eventually(t, whole(r), 30*time.Second, 50*time.Millisecond)

	object, err := chaos.Decode([]byte(`{"kind":"PodChaos","spec":{"action":"pod-kill","mode":"all","selector":{"labelSelectors":{"app":"catalog"}}}}`))
	require.NoError(t, err)
	now, err := lookAround(ctx, client)
	require.NoError(t, err)
	object = object.In(scenarios.Namespace)
	hit := victims(plan.Event{Name: "kill", Count: plan.Count{Mode: "all"}}, object, nil, r.roles, now)
	require.Len(t, hit, 3)
	fault, err := object.Fault()
	require.NoError(t, err)
	require.NoError(t, chaostest.Run(ctx, fault, chaos.Env{Client: client, Observer: r}, hit))

	// Each victim was seen to go, and the state that followed was recorded.
	for _, v := range hit {
		lost := slices.IndexFunc(record.all(), func(e reports.Entry) bool { return e.Kind == reports.KindPod && e.Pod.UID == v.UID && e.Pod.Deleted })
		require.GreaterOrEqual(t, lost, 0)
		entries := record.all()[lost:]
		require.Equal(t, reports.KindWorkload, entries[1].Kind)
		assert.Equal(t, entries[0].At, entries[1].At)
		assert.Less(t, entries[1].Workload.Ready, 3)
	}
	require.Eventually(t, whole(r), 30*time.Second, 50*time.Millisecond, "the Deployment heals")
	assert.Empty(t, record.troubles())
	var alive []string
	for _, pod := range now.pods {
		if _, err := client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{}); err == nil {
			alive = append(alive, pod.Name)
		}
	}
	assert.Empty(t, alive)
}

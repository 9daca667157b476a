package loadbalancer_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"squall/cluster/loadbalancer"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

// bench is an API kept in memory, to be used in a synctest bubble.
type bench struct {
	t    *testing.T
	api  *fake.Clientset
	pool string
	made int
}

func newBench(t *testing.T, pool string, objects ...runtime.Object) *bench {
	return &bench{t: t, api: fake.NewClientset(objects...), pool: pool}
}

// start runs a load balancer on a node and waits until it rests. It runs until
// stop is called or the test ends.
func (b *bench) start(node string) (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- loadbalancer.Run(ctx, loadbalancer.Options{Client: b.api, Pool: netip.MustParsePrefix(b.pool), Node: node})
		close(done)
	}()
	stop = func() {
		cancel()
		require.NoError(b.t, <-done)
	}
	b.t.Cleanup(stop)
	b.rest(time.Second)
	return stop
}

func (b *bench) rest(d time.Duration) {
	time.Sleep(d) // in the bubble
	synctest.Wait()
}

// newService is a Service of type LoadBalancer; later ones are younger.
func newService(name string, changes ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}},
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

func (b *bench) create(s *corev1.Service) {
	b.made++
	s.CreationTimestamp = metav1.NewTime(time.Unix(int64(b.made), 0))
	_, err := b.api.CoreV1().Services("app").Create(b.t.Context(), s, metav1.CreateOptions{})
	require.NoError(b.t, err)
	b.rest(time.Second)
}

func (b *bench) service(name string) *corev1.Service {
	s, err := b.api.CoreV1().Services("app").Get(b.t.Context(), name, metav1.GetOptions{})
	require.NoError(b.t, err)
	return s
}

// address is a Service's address; empty when it has none.
func (b *bench) address(name string) string {
	ingress := b.service(name).Status.LoadBalancer.Ingress
	if len(ingress) == 0 {
		return ""
	}
	require.Len(b.t, ingress, 1)
	return ingress[0].IP
}

func (b *bench) delete(name string) {
	require.NoError(b.t, b.api.CoreV1().Services("app").Delete(b.t.Context(), name, metav1.DeleteOptions{}))
	b.rest(time.Second)
}

func (b *bench) events(service string) []string {
	list, err := b.api.CoreV1().Events("").List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	var said []string
	for _, e := range list.Items {
		if e.InvolvedObject.Name == service {
			said = append(said, fmt.Sprintf("%s: %s (%d)", e.Reason, e.Message, e.Count))
		}
	}
	return said
}

func TestGives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/24")
		b.start("cp-1")
		b.create(newService("a"))
		ours, theirs := loadbalancer.Class, "cloud.example/lb"
		b.create(newService("b", func(s *corev1.Service) { s.Spec.LoadBalancerClass = &ours }))
		b.create(newService("theirs", func(s *corev1.Service) { s.Spec.LoadBalancerClass = &theirs }))
		b.create(newService("inside", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP }))
		b.create(newService("going", func(s *corev1.Service) {
			s.DeletionTimestamp, s.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"x/y"}
		}))

		vip := corev1.LoadBalancerIPModeVIP
		assert.Equal(t, []corev1.LoadBalancerIngress{{IP: "10.97.0.1", IPMode: &vip}}, b.service("a").Status.LoadBalancer.Ingress)
		assert.Equal(t, "10.97.0.2", b.address("b"))
		for _, other := range []string{"theirs", "inside", "going"} {
			assert.Empty(t, b.address(other), other)
			assert.Empty(t, b.events(other), other)
		}
		assert.Equal(t, []string{"EnsuredLoadBalancer: Given the address 10.97.0.1 (1)"}, b.events("a"))
	})
}

func TestEmptyPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/30")
		b.start("cp-1")
		for _, name := range []string{"a", "b", "c", "d"} {
			b.create(newService(name))
		}
		b.rest(5 * time.Minute)
		assert.Equal(t, []string{"10.97.0.1", "10.97.0.2", "", ""}, []string{b.address("a"), b.address("b"), b.address("c"), b.address("d")})
		assert.Equal(t, []string{"SyncLoadBalancerFailed: all addresses of the load balancer's pool 10.97.0.0/30 are taken; " +
			"the Service gets one when another gives up its own (1)"}, b.events("c"), "said once")

		b.delete("a")
		assert.Equal(t, "10.97.0.1", b.address("c"), "the oldest that waits")
		assert.Empty(t, b.address("d"))

		other := b.service("b") // as the API server does: a change of type clears the status
		other.Spec.Type, other.Status = corev1.ServiceTypeNodePort, corev1.ServiceStatus{}
		_, err := b.api.CoreV1().Services("app").Update(t.Context(), other, metav1.UpdateOptions{})
		require.NoError(t, err)
		b.rest(time.Second)
		assert.Equal(t, "10.97.0.2", b.address("d"))
		assert.Empty(t, b.address("b"))
	})
}

func TestAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/24")
		b.start("cp-1")
		ask := func(ip string) func(*corev1.Service) { return func(s *corev1.Service) { s.Spec.LoadBalancerIP = ip } }
		b.create(newService("a", ask("10.97.0.7")))
		b.create(newService("late", ask("10.97.0.7")))
		b.create(newService("outside", ask("10.1.0.1")))
		b.create(newService("network", ask("10.97.0.0")))
		b.create(newService("junk", ask("next")))
		assert.Equal(t, "10.97.0.7", b.address("a"))
		assert.Empty(t, b.address("late"))
		assert.Equal(t, []string{"SyncLoadBalancerFailed: spec.loadBalancerIP 10.97.0.7 belongs to the Service app/a (1)"}, b.events("late"))
		for name, ip := range map[string]string{"outside": "10.1.0.1", "network": "10.97.0.0", "junk": "next"} {
			assert.Empty(t, b.address(name))
			assert.Equal(t, []string{fmt.Sprintf("SyncLoadBalancerFailed: spec.loadBalancerIP %q is not an address of the load balancer's pool 10.97.0.0/24 (1)", ip)}, b.events(name))
		}
		b.delete("a")
		assert.Equal(t, "10.97.0.7", b.address("late"))

		b.create(newService("six", func(s *corev1.Service) { s.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }))
		assert.Equal(t, []string{"SyncLoadBalancerFailed: the Service has no IPv4 cluster IP, and the load balancer's pool 10.97.0.0/24 has no other addresses (1)"}, b.events("six"))
	})
}

// TestRestart: what was given is read back, what others wrote is left alone.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		with := func(ip string) func(*corev1.Service) {
			return func(s *corev1.Service) {
				s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip}}
			}
		}
		b := newBench(t, "10.97.0.0/24", newService("a", with("10.97.0.1")), newService("theirs", with("203.0.113.1")))
		b.create(newService("b"))
		stop := b.start("cp-1")
		b.create(newService("c"))
		stop()
		b.create(newService("d"))
		assert.Empty(t, b.address("d"), "nobody is there")
		b.start("cp-1")
		assert.Equal(t, []string{"10.97.0.1", "203.0.113.1", "10.97.0.2", "10.97.0.3", "10.97.0.4"},
			[]string{b.address("a"), b.address("theirs"), b.address("b"), b.address("c"), b.address("d")})
	})
}

// lease is a Lease that a load balancer held a moment ago.
func lease(holder string) *coordinationv1.Lease {
	now, seconds := metav1.NowMicro(), int32(15)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: loadbalancer.LeaseName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	}
}

// TestKilled: one that was killed starts again at once; another waits until the
// Lease has ended.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/24", lease("cp-1"))
		b.create(newService("a"))
		b.start("cp-1")
		assert.Equal(t, "10.97.0.1", b.address("a"))
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/24", lease("cp-1"))
		b.create(newService("a"))
		b.start("cp-2")
		b.rest(13 * time.Second)
		assert.Empty(t, b.address("a"))
		b.rest(6 * time.Second)
		// JitterFactor in k8s.io/client-go/tools/leaderelection
		assert.Equal(t, "10.97.0.1", b.address("a"), "15 s of the Lease, and at most 2.2 times 2 s between two looks at it")
	})
}

func TestSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/27")
		stop := b.start("cp-1")
		b.start("cp-2")
		b.start("cp-3")
		given := map[string]bool{}
		for i := range 30 {
			if i == 15 {
				stop() // gives the Lease back, so another waits for its next look at most
				b.rest(5 * time.Second)
			}
			name := fmt.Sprintf("s%d", i)
			b.create(newService(name))
			assert.NotContains(t, given, b.address(name))
			given[b.address(name)] = true
		}
		assert.NotContains(t, given, "")
		assert.Len(t, given, 30)
	})
}

// TestIdle: nothing but the Lease is written when nothing happens.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "10.97.0.0/24")
		b.start("cp-1")
		b.create(newService("a"))
		before := len(b.api.Actions())
		b.rest(5 * time.Minute)
		actions := b.api.Actions()[before:]
		for _, a := range actions {
			assert.Equal(t, "leases", a.GetResource().Resource)
		}
		assert.LessOrEqual(t, len(actions), 155, "once every 2 s")
	})
}

func TestRefusesOptions(t *testing.T) {
	api := fake.NewClientset()
	for _, o := range []loadbalancer.Options{
		{Node: "cp-1", Pool: netip.MustParsePrefix("10.97.0.0/24")},
		{Client: api, Pool: netip.MustParsePrefix("10.97.0.0/24")},
		{Client: api, Node: "cp-1"},
		{Client: api, Node: "cp-1", Pool: netip.MustParsePrefix("10.97.0.9/24")},
	} {
		require.Error(t, loadbalancer.Run(t.Context(), o))
	}
}

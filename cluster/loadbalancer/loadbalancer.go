// Package loadbalancer answers Services of type LoadBalancer inside a cluster
// that has no cloud: it gives each an address of a pool, in its status. The
// rest is kube-proxy's: it routes such an address on every node, as it does a
// cluster IP (k8s.io/kubernetes/pkg/proxy/serviceport.go). No node holds the
// address, nothing announces it, and it is not reached from outside.
//
// Services with a loadBalancerClass other than Class are somebody else's. So is
// a status that somebody else has filled: it is never overwritten.
//
// What was given stands in the Services alone. Before each decision they are
// read from the API server, not from a cache, so no address is given on old
// knowledge; and only one Run at a time decides, the one that holds the Lease.
package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

const (
	// Class is the loadBalancerClass of Services that ask for this load
	// balancer by name. Those that name none get it, too.
	Class = "squall.dev/loadbalancer"
	// LeaseName is the name of the Lease in the namespace kube-system.
	LeaseName = "squall-loadbalancer"
)

// These are what Kubernetes' own components have
// (k8s.io/component-base/config/v1alpha1/defaults.go).
const (
	leaseLasts = 15 * time.Second
	leaseRenew = 10 * time.Second
	leaseRetry = 2 * time.Second
)

// Options are what Run needs.
type Options struct {
	// Client may do what Rules and SystemRules list.
	Client kubernetes.Interface
	// Pool are the addresses to give. Those that name the network and its
	// broadcast are left out.
	Pool netip.Prefix
	// Node names this Run among those of the cluster. The name must outlive
	// the process: a Run that is started again then need not wait for its own
	// Lease to end.
	Node string
	// Log takes what is done and what fails; nil drops it.
	Log *slog.Logger
}

// Run gives addresses until ctx ends, which is no error. While the API is away
// it waits for it.
func Run(ctx context.Context, o Options) error {
	if o.Client == nil || o.Node == "" {
		return errors.New("a load balancer needs a client and the name of its node")
	}
	if !o.Pool.IsValid() || o.Pool != o.Pool.Masked() {
		return fmt.Errorf("the pool %q of load balancer addresses is not a network, such as 10.97.0.0/24", o.Pool)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: o.Client.CoreV1().Events(corev1.NamespaceAll)})
	events := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: LeaseName, Host: o.Node})
	for ctx.Err() == nil {
		if err := term(ctx, o, events); err != nil {
			return err
		}
	}
	return nil
}

// term waits for the Lease, gives addresses as long as it holds it, and gives
// it back when ctx ends, not before the work has ended.
func term(ctx context.Context, o Options, events record.EventRecorder) error {
	held, giveBack := context.WithCancel(context.WithoutCancel(ctx))
	defer giveBack()
	var working sync.Mutex
	var failed error // of the work; working guards it
	defer context.AfterFunc(ctx, func() {
		working.Lock()
		defer working.Unlock()
		giveBack()
	})()
	lead := func(leading context.Context) {
		working.Lock()
		defer working.Unlock()
		work, stop := context.WithCancel(leading)
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		o.Log.Info("giving addresses to Services", "pool", o.Pool)
		g := &giver{Options: o, events: events, told: map[string]string{}}
		if failed = g.run(work); failed != nil {
			giveBack()
		}
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: LeaseName},
			Client:     o.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: o.Node},
		},
		Name: LeaseName, LeaseDuration: leaseLasts, RenewDeadline: leaseRenew, RetryPeriod: leaseRetry, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: lead, OnStoppedLeading: func() {}},
	})
	if err != nil {
		return fmt.Errorf("preparing the Lease %s: %w", LeaseName, err)
	}
	elector.Run(held)
	giveBack()
	working.Lock() // until the work of this term has ended
	defer working.Unlock()
	return failed
}

// Rules are what Run may do in the whole cluster.
func Rules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"services/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
}

// SystemRules are what Run may do in the namespace kube-system, and only there.
func SystemRules() []rbacv1.PolicyRule {
	leases := []string{"leases"}
	return []rbacv1.PolicyRule{
		// What is created has no name yet that a rule could hold it to.
		{APIGroups: []string{"coordination.k8s.io"}, Resources: leases, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: leases, ResourceNames: []string{LeaseName}, Verbs: []string{"get", "update"}},
	}
}

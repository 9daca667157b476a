package loadbalancer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	// retryFirst and retryLast bound the pause before something that failed is
	// tried again.
	retryFirst, retryLast = 100 * time.Millisecond, time.Minute
	// tryFor bounds one attempt.
	tryFor = 30 * time.Second
)

// giver gives addresses for one term.
type giver struct {
	Options
	events record.EventRecorder
	// told is what was last said about a Service that has no address, by its
	// UID: it is said once.
	told map[string]string
}

// all is the one task there is: to look at all Services.
const all = "all"

// run looks at all Services whenever one of type LoadBalancer changes.
func (g *giver) run(ctx context.Context) error {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryLast))
	factory := informers.NewSharedInformerFactoryWithOptions(g.Client, 0, informers.WithTransform(onlyName),
		informers.WithTweakListOptions(loadBalancers))
	look := func(any) { queue.Add(all) }
	_, err := factory.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: look, UpdateFunc: func(_, s any) { look(s) }, DeleteFunc: look,
	})
	if err != nil {
		return fmt.Errorf("following Services: %w", err)
	}
	defer factory.Shutdown()
	defer queue.ShutDown()
	defer context.AfterFunc(ctx, queue.ShutDown)()
	factory.StartWithContext(ctx)
	for {
		task, end := queue.Get()
		if end || ctx.Err() != nil {
			return nil
		}
		if err := g.giveAll(ctx); err == nil {
			queue.Forget(task)
		} else {
			if !apierrors.IsConflict(err) && ctx.Err() == nil {
				g.Log.Warn("giving addresses will be tried again", "error", err)
			}
			queue.AddRateLimited(task)
		}
		queue.Done(task)
	}
}

// loadBalancers asks for Services of type LoadBalancer alone. One that changes
// its type is then deleted as far as a watch is concerned.
func loadBalancers(o *metav1.ListOptions) {
	o.FieldSelector = fields.OneTermEqualSelector("spec.type", string(corev1.ServiceTypeLoadBalancer)).String()
}

// onlyName keeps what tells one version of a Service from another: the store
// only serves to notice changes.
func onlyName(object any) (any, error) {
	if s, ok := object.(*corev1.Service); ok {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: s.Name, UID: s.UID, ResourceVersion: s.ResourceVersion,
		}}, nil
	}
	return object, nil
}

// giveAll gives every Service that waits for an address one, oldest first.
func (g *giver) giveAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	var options metav1.ListOptions
	loadBalancers(&options)
	list, err := g.Client.CoreV1().Services(corev1.NamespaceAll).List(ctx, options)
	if err != nil {
		return fmt.Errorf("listing Services of type LoadBalancer: %w", err)
	}
	services := list.Items
	slices.SortFunc(services, func(a, b corev1.Service) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	taken := map[netip.Addr]string{}
	there := map[string]bool{}
	for _, s := range services {
		there[string(s.UID)] = true
		for _, a := range addresses(&s) {
			taken[a] = s.Namespace + "/" + s.Name
		}
	}
	for uid := range g.told {
		if !there[uid] {
			delete(g.told, uid)
		}
	}
	var failed []error
	for i := range services {
		failed = append(failed, g.give(ctx, &services[i], taken))
	}
	return errors.Join(failed...)
}

// addresses are what a Service's status holds, whoever wrote it.
func addresses(s *corev1.Service) []netip.Addr {
	var found []netip.Addr
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		if a, err := netip.ParseAddr(ingress.IP); err == nil {
			found = append(found, a)
		}
	}
	return found
}

// waits tells whether a Service is ours and has no address.
func waits(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.DeletionTimestamp == nil &&
		(s.Spec.LoadBalancerClass == nil || *s.Spec.LoadBalancerClass == Class) &&
		len(s.Status.LoadBalancer.Ingress) == 0
}

// give gives a Service its address, if it waits for one, and notes it as taken.
func (g *giver) give(ctx context.Context, s *corev1.Service, taken map[netip.Addr]string) error {
	if !waits(s) {
		return nil
	}
	address, err := choose(g.Pool, s, taken)
	if err != nil {
		if g.told[string(s.UID)] != err.Error() {
			g.told[string(s.UID)] = err.Error()
			g.Log.Info("a Service gets no address", "service", s.Namespace+"/"+s.Name, "why", err)
			// The reason is the one that cloud providers' controllers give
			// (k8s.io/cloud-provider/controllers/service/controller.go).
			g.events.Event(s, corev1.EventTypeWarning, "SyncLoadBalancerFailed", err.Error())
		}
		return nil
	}
	vip := corev1.LoadBalancerIPModeVIP
	patch, err := json.Marshal(map[string]any{
		// Only what was read is answered: the type may have changed since.
		"metadata": map[string]any{"resourceVersion": s.ResourceVersion},
		"status": corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{
			Ingress: []corev1.LoadBalancerIngress{{IP: address.String(), IPMode: &vip}},
		}},
	})
	if err != nil {
		return err
	}
	taken[address] = s.Namespace + "/" + s.Name
	_, err = g.Client.CoreV1().Services(s.Namespace).Patch(ctx, s.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("giving %s to the Service %s/%s: %w", address, s.Namespace, s.Name, err)
	}
	delete(g.told, string(s.UID))
	g.Log.Info("a Service has an address", "service", s.Namespace+"/"+s.Name, "address", address)
	g.events.Eventf(s, corev1.EventTypeNormal, "EnsuredLoadBalancer", "Given the address %s", address)
	return nil
}

// choose finds an address for a Service: the one that it asks for, or else the
// first that is free.
func choose(pool netip.Prefix, s *corev1.Service, taken map[netip.Addr]string) (netip.Addr, error) {
	if family := poolFamily(pool); len(s.Spec.IPFamilies) > 0 && !slices.Contains(s.Spec.IPFamilies, family) {
		return netip.Addr{}, fmt.Errorf("the Service has no %s cluster IP, and the load balancer's pool %s has no other addresses", family, pool)
	}
	if asked := s.Spec.LoadBalancerIP; asked != "" {
		address, err := netip.ParseAddr(asked)
		if err != nil || !usable(pool, address) {
			return netip.Addr{}, fmt.Errorf("spec.loadBalancerIP %q is not an address of the load balancer's pool %s", asked, pool)
		}
		if owner, is := taken[address]; is {
			return netip.Addr{}, fmt.Errorf("spec.loadBalancerIP %s belongs to the Service %s", address, owner)
		}
		return address, nil
	}
	for address := pool.Addr(); pool.Contains(address); address = address.Next() {
		if _, is := taken[address]; !is && usable(pool, address) {
			return address, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of the load balancer's pool %s are taken; the Service gets one when another gives up its own", pool)
}

func poolFamily(pool netip.Prefix) corev1.IPFamily {
	if pool.Addr().Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

// usable tells whether an address of a pool can be given. In an IPv4 network of
// more than two addresses, the first and the last have other meanings (RFC 1122
// section 3.2.1.3, RFC 3021).
func usable(pool netip.Prefix, address netip.Addr) bool {
	if !pool.Contains(address) {
		return false
	}
	if !address.Is4() || pool.Bits() >= 31 {
		return true
	}
	return pool.Contains(address.Prev()) && pool.Contains(address.Next())
}

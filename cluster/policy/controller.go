package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/knftables"
)

const (
	// syncPause is the least time from one sync to the next. A change after a
	// quiet time is written at once; a burst of them is written together.
	syncPause = 50 * time.Millisecond
	// usualRepairPeriod bounds how long a change that somebody else made to the
	// table stays. Writing the table takes milliseconds.
	usualRepairPeriod = 30 * time.Second
	// firstRetry doubles with each failure up to lastRetry.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
	// complainPeriod is how often a wait says what it waits for.
	complainPeriod = 10 * time.Second
)

// controller keeps the table up to date.
type controller struct {
	Options
	kernel *kernel
	// dirty holds a token while something has changed since the last sync; urgent
	// holds one while that may not wait for the end of syncPause.
	dirty, urgent chan struct{}

	policies   networkinglisters.NetworkPolicyLister
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	given      func() map[netip.Addr]podKey

	// repairPeriod is how often the whole table is looked at and written again,
	// whatever somebody else did to it.
	repairPeriod time.Duration
	// said are the remarks about policies that were logged and still hold.
	said map[string]bool
}

func newController(o Options, nft knftables.Interface) *controller {
	return &controller{
		Options: o, kernel: &kernel{nft: nft}, dirty: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		repairPeriod: usualRepairPeriod, said: map[string]bool{},
	}
}

func (c *controller) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	factory, synced, err := c.watch()
	if err != nil {
		cancel()
		return err
	}
	defer factory.Shutdown()
	defer cancel()
	stop, err := c.watchResults()
	if err != nil {
		return err
	}
	defer stop()
	factory.Start(ctx.Done())
	// Rules from before a restart stay until all is known: rules made from a part
	// of the policies would cut or open what they should not.
	if !c.await(ctx, synced) {
		return nil
	}
	c.loop(ctx)
	return nil
}

// watch prepares the informers. What they hold is cut down to what rules need.
func (c *controller) watch() (informers.SharedInformerFactory, map[string]cache.InformerSynced, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(c.Client, 0, informers.WithTransform(strip))
	policies := factory.Networking().V1().NetworkPolicies()
	pods := factory.Core().V1().Pods()
	namespaces := factory.Core().V1().Namespaces()
	c.policies, c.pods, c.namespaces = policies.Lister(), pods.Lister(), namespaces.Lister()
	synced := map[string]cache.InformerSynced{}
	for name, informer := range map[string]cache.SharedIndexInformer{
		"networkpolicies": policies.Informer(), "pods": pods.Informer(), "namespaces": namespaces.Informer(),
	} {
		// The reflector tries again by itself, with its own back-off.
		err := informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
			if ctx.Err() == nil && !errors.Is(err, io.EOF) {
				c.Log.Warn("the API server cannot be watched; the rules stay as they are", "resource", name, "error", err)
			}
		})
		if err != nil {
			return nil, nil, fmt.Errorf("watching %s: %w", name, err)
		}
		handle, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { c.changed() },
			DeleteFunc: func(any) { c.changed() },
			UpdateFunc: func(before, after any) {
				if !same(before, after) {
					c.changed()
				}
			},
		})
		if err != nil {
			return nil, nil, fmt.Errorf("watching %s: %w", name, err)
		}
		synced[name] = handle.HasSynced
	}
	return factory, synced, nil
}

// changed asks for a sync.
func (c *controller) changed() { ask(c.dirty) }

// pressing asks for a sync at once: a pod has got its network and is about to
// start.
func (c *controller) pressing() { ask(c.urgent) }

// ask leaves a token, unless one lies there already.
func ask(tokens chan struct{}) {
	select {
	case tokens <- struct{}{}:
	default:
	}
}

// await waits until all informers have listed; false when the context ended.
// It has no deadline of its own: without the API server there is nothing to do
// but to leave the rules as they are.
func (c *controller) await(ctx context.Context, synced map[string]cache.InformerSynced) bool {
	const poll = 10 * time.Millisecond
	tick := time.NewTicker(poll)
	defer tick.Stop()
	complain := time.NewTicker(complainPeriod)
	defer complain.Stop()
	for {
		var waiting []string
		for _, name := range sortedKeys(synced) {
			if !synced[name]() {
				waiting = append(waiting, name)
			}
		}
		if len(waiting) == 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-complain.C:
			c.Log.Warn("network policies wait for the API server; the rules stay as they are", "notListed", strings.Join(waiting, ","))
		case <-tick.C:
		}
	}
}

// loop syncs until the context ends: when something changed, when a sync failed,
// and every repairPeriod.
func (c *controller) loop(ctx context.Context) {
	repair := time.NewTicker(c.repairPeriod)
	defer repair.Stop()
	retry := firstRetry
	c.changed()
	for {
		whole := false
		select {
		case <-ctx.Done():
			return
		case <-c.dirty:
		case <-c.urgent:
		case <-repair.C:
			whole = true
			c.complainAboutMissing(ctx)
		}
		pause := syncPause
		if err := c.sync(ctx, whole); err != nil && ctx.Err() == nil {
			c.Log.Error("network policies are not up to date; trying again", "in", retry, "error", err)
			pause, retry = retry, min(2*retry, lastRetry)
			c.changed()
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-c.urgent:
			c.pressing()
		case <-time.After(pause):
		}
	}
}

// complainAboutMissing says so when somebody removed a part of the table. The
// sync that follows writes it again.
func (c *controller) complainAboutMissing(ctx context.Context) {
	if c.kernel.held == nil {
		return
	}
	missing, err := c.kernel.missing(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.Log.Warn("the network policy rules could not be looked at; writing them again", "error", err)
		}
		return
	}
	if len(missing) > 0 {
		c.Log.Warn("somebody removed network policy rules; writing them again", "missing", strings.Join(missing, ", "))
	}
}

// sync makes the table hold what the API says now.
func (c *controller) sync(ctx context.Context, whole bool) error {
	began := time.Now()
	in, err := c.state()
	if err != nil {
		return err
	}
	want := build(in)
	operations, err := c.kernel.apply(ctx, want, whole)
	if err != nil {
		return err
	}
	c.remark(want)
	if operations > 0 && !whole {
		c.Log.Info("network policy rules changed", "policies", len(in.policies), "isolatedPods", want.isolated,
			"operations", operations, "took", time.Since(began).Round(time.Microsecond))
	}
	return nil
}

func (c *controller) state() (state, error) {
	in := state{node: c.Node, given: c.given()}
	var err error
	if in.policies, err = c.policies.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("listing network policies: %w", err)
	}
	if in.pods, err = c.pods.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("listing pods: %w", err)
	}
	if in.namespaces, err = c.namespaces.List(labels.Everything()); err != nil {
		return in, fmt.Errorf("listing namespaces: %w", err)
	}
	return in, nil
}

// remark logs what is odd about policies, once as long as it holds. Selecting
// nothing is legal: pods may come later.
func (c *controller) remark(rules *ruleset) {
	holds := map[string]bool{}
	say := func(log func(string, ...any), text, attribute, about string) {
		key := text + about
		if holds[key] = true; !c.said[key] {
			log(text, attribute, about)
		}
	}
	for _, p := range rules.idle {
		say(c.Log.Debug, "a network policy selects no pod", "policy", p)
	}
	for _, w := range rules.warnings {
		say(c.Log.Warn, "a network policy is partly without effect", "reason", w)
	}
	c.said = holds
}

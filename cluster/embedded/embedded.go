//go:build linux

// Package embedded makes real Kubernetes clusters out of namespaces: no Docker,
// no virtual machine, no image registry. It needs Linux and root.
//
// # How a cluster is built
//
//	squall            the command, on the host
//	 └ janitor        on the host; removes what the kernel does not remove
//	    └ supervisor  PID 1 of its own PID, mount, network, IPC, UTS and cgroup
//	       │          namespaces; owns the bridge, forwards the API's address
//	       ├ control-plane-1   PID 1 of a nested set of the same six: etcd, API
//	       │                   server, controller manager, scheduler, and a
//	       │                   kubelet with all that belongs to a node
//	       ├ worker-1          likewise: containerd, kubelet, kube-proxy, pods
//	       └ …
//
// Every part lives in a namespace that dies with the part above it, so a
// SIGKILL anywhere takes everything below along: processes, mounts, links and
// packet filters. What a dying namespace leaves are empty cgroup directories
// and the cluster's state folder. The janitor removes them; if it was killed
// too, the next [Provider.Sweep] does.
//
// Nothing enters the host's network namespace but one listener on 127.0.0.1,
// the API server's address for kubeconfigs, which the janitor opens before any
// namespace is entered.
//
// All programs here are this same executable, started under another name; see
// [Main].
package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"squall/cluster"
	"squall/cluster/capability"
	"squall/cluster/components"
	"squall/cluster/hostroom"
	"squall/cluster/settings"
	"squall/workloads/image"
)

// Name is this provider's name in scenarios, reports and on the command line.
const Name = "embedded"

// RunDir is where the state of running clusters lives. It is a tmpfs on every
// usual Linux, so a reboot leaves nothing.
const RunDir = "/run/squall"

// MaxWorkers is the largest number of workers that a cluster starts with.
const MaxWorkers = 5

// maxControlPlanes is the number of control-plane nodes of a cluster that has
// more than one: the least with which etcd survives the loss of a member.
const maxControlPlanes = 3

// bringUpDeadline bounds a bring-up. On two cores one takes some 5 s; the bound
// only has to catch what will never end.
const bringUpDeadline = 3 * time.Minute

// Provider makes embedded clusters. The zero value is not usable; see [New].
type Provider struct {
	// Milestones, when not nil, is called as a cluster comes up.
	Milestones func(Milestone)

	cache string // cache folder: components, images, prepared state
	run   string // RunDir
}

var _ cluster.Provider = (*Provider)(nil)

// New returns a provider that caches what it builds under the folder cache.
func New(cache string) *Provider {
	return &Provider{cache: cache, run: RunDir}
}

// Create makes a cluster and returns when every node is Ready and resolves
// names through the cluster's DNS. See [cluster.Provider].
func (p *Provider) Create(ctx context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	if progress == nil {
		progress = func(string) {}
	}
	if err := p.check(spec); err != nil {
		return nil, errors.Join(err, p.checkSettings(ctx, spec))
	}
	if err := p.sweepFor(ctx, spec.Name, progress); err != nil {
		return nil, err
	}
	if err := p.refuseTaken(spec.Name); err != nil {
		return nil, err
	}
	tree, images, err := p.parts(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	chosen, err := settings.Resolve(ctx, tree, spec, wiring)
	if err != nil {
		return nil, fmt.Errorf("%w:\n%w", cluster.ErrSpec, err)
	}
	cfg := config{
		Name:        spec.Name,
		Detached:    spec.Detached,
		Folder:      p.folder(spec.Name),
		Components:  filepath.Dir(tree.Bin()),
		Stores:      p.stores(),
		Store:       storeName(tree, images),
		Volumes:     filepath.Join(p.cache, "volumes"),
		Nodes:       layOut(spec),
		SysResource: capability.SysResource(),
		Settings:    chosen,
	}
	if err := p.prepare(&cfg, tree); err != nil {
		return nil, err
	}
	if cfg.VolumeSpace, err = volumeSpace(cfg.Volumes, len(cfg.Nodes)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bringUpDeadline,
		fmt.Errorf("the cluster did not become ready within %s", bringUpDeadline))
	defer cancel()
	return p.launchWith(ctx, cfg, spec.Early, progress, func(ctx context.Context) error { return p.makeStore(ctx, tree, images) })
}

// check refuses what cannot be made, naming every reason at once.
func (p *Provider) check(spec cluster.Spec) error {
	var errs []error
	if err := cluster.CheckName(spec.Name); err != nil {
		errs = append(errs, err)
	}
	if spec.Workers < 1 || spec.Workers > MaxWorkers {
		errs = append(errs, fmt.Errorf("%d workers asked for: an embedded cluster has 1 to %d", spec.Workers, MaxWorkers))
	}
	if n := spec.ControlPlanes; n != 0 && n != 1 && n != maxControlPlanes {
		errs = append(errs, fmt.Errorf("%d control-plane nodes asked for: an embedded cluster has 1 or %d", n, maxControlPlanes))
	}
	if spec.NodeCPU.MilliValue()%1000 != 0 {
		errs = append(errs, fmt.Errorf("nodes of %s processors asked for: a kubelet advertises whole ones", spec.NodeCPU.String()))
	}
	if spec.NodeCPU.Sign() < 0 || spec.NodeMemory.Sign() < 0 {
		errs = append(errs, errors.New("a node's size cannot be negative"))
	}
	memory, err := hostroom.ReadMemory()
	host := []error{hostroom.CheckProcessors(spec), err, memory.Check(spec), watchers().Check(spec)}
	var refusals []error
	if err := errors.Join(errs...); err != nil {
		refusals = append(refusals, fmt.Errorf("%w:\n%w", cluster.ErrSpec, err))
	}
	if err := errors.Join(append(host, p.checkHost()...)...); err != nil {
		refusals = append(refusals, fmt.Errorf("%w:\n%w", cluster.ErrHost, err))
	}
	return errors.Join(refusals...)
}

// components builds what clusters run.
func (p *Provider) components(progress func(string)) components.Builder {
	return components.Builder{Dir: filepath.Join(p.cache, "components"), Progress: progress}
}

// checkSettings says what else is wrong with a spec that is refused already, as
// far as the components that know it are built.
func (p *Provider) checkSettings(ctx context.Context, spec cluster.Spec) error {
	builder := p.components(nil)
	if !builder.Cached() {
		return nil
	}
	tree, err := builder.Build(ctx)
	if err == nil {
		_, err = settings.Resolve(ctx, tree, spec, wiring)
	}
	if err != nil {
		return fmt.Errorf("%w:\n%w", cluster.ErrSpec, err)
	}
	return nil
}

// parts builds or finds what every cluster runs, and its images.
func (p *Provider) parts(ctx context.Context, spec cluster.Spec, progress func(string)) (components.Tree, []image.Image, error) {
	tree, err := p.components(progress).Build(ctx)
	if err != nil {
		return components.Tree{}, nil, err
	}
	system, err := systemImages(ctx, image.Builder{Dir: filepath.Join(p.cache, "images"), Progress: progress}, tree)
	if err != nil {
		return components.Tree{}, nil, err
	}
	if err := os.MkdirAll(p.stores(), 0o755); err != nil {
		return components.Tree{}, nil, fmt.Errorf("making the folder for image stores: %w", err)
	}
	return tree, append(system, spec.Images...), nil
}

// launchWith starts the cluster while the images are unpacked for it; the
// control plane takes longer to start than that does.
func (p *Provider) launchWith(ctx context.Context, cfg config, early earlyWork, progress func(string), unpack func(context.Context) error) (cluster.Cluster, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	unpacked := make(chan struct{})
	go func() {
		defer close(unpacked)
		if err := unpack(ctx); err != nil {
			cancel(err)
		}
	}()
	c, err := p.launch(ctx, cfg, early, progress)
	if err != nil {
		cancel(err)
	}
	<-unpacked
	if cfg.Prepared != "" && errors.Is(err, errControlPlane) {
		// It may be what is damaged; without it the next start is a first one.
		err = errors.Join(err, discard(cfg.Prepared))
	}
	return c, err
}

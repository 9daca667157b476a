package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/workloads/traffic"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The sorts of starts that are compared.
const (
	sortPrepared = "prepared"
	sortFirst    = "first"
	sortPlain    = "plain"
	sortUnstored = "unstored"
	sortOne      = "one"
	sortThree    = "three"
	sortBare     = "bare"
	sortKind     = "kind"
	sortCommand  = "kind-command"
)

func startSorts() []string {
	return []string{sortPrepared, sortFirst, sortPlain, sortUnstored, sortOne, sortThree, sortBare, sortKind, sortCommand}
}

// onKind tells whether a sort's clusters are containers.
func onKind(sort string) bool { return sort == sortKind || sort == sortCommand }

// startResult is what one start showed, in seconds and MB; what a sort does not
// have is zero.
type startResult struct {
	ready, serving, cpu, teardown, memory, nodes float64
	shopReady                                    time.Duration
	milestones                                   []embedded.Milestone
}

// end is when a start was done: when the shop served, else when it was ready.
func (r startResult) end() float64 {
	if r.serving > 0 {
		return r.serving
	}
	return r.ready
}

// warm starts one cluster of each sort that is prepared, and one of containers,
// so that prepared states and images are there.
func (b benchmark) warm(ctx context.Context, sorts []string) error {
	for _, sort := range []string{sortPrepared, sortPlain, sortKind} {
		wanted := slices.Contains(sorts, sort)
		switch sort {
		case sortPrepared: // most others stand on it
			wanted = slices.ContainsFunc(sorts, func(s string) bool { return !onKind(s) })
		case sortKind:
			wanted = slices.ContainsFunc(sorts, onKind)
		}
		if !wanted {
			continue
		}
		if _, err := b.start(ctx, sort); err != nil {
			return err
		}
	}
	return nil
}

// start measures one start of a sort.
func (b benchmark) start(ctx context.Context, sort string) (startResult, error) {
	spec := cluster.Spec{
		Name: fmt.Sprintf("bench-%d", os.Getpid()), Workers: b.workers, Images: b.images,
		NodeCPU: resource.MustParse("2"), NodeMemory: resource.MustParse("2Gi"),
	}
	switch sort {
	case sortFirst:
		return b.startWithout(ctx, spec, preparedFolder, storesFolder)
	case sortUnstored:
		return b.startWithout(ctx, spec, storesFolder)
	case sortPlain:
		spec.Without = cluster.Parts()
	case sortOne:
		spec.Workers = 1
	case sortThree:
		spec.Workers = 3
	case sortKind:
		spec.Early = b.deploy
		return b.measure(ctx, kind.New(b.cache), spec)
	case sortCommand:
		return b.measure(ctx, kind.NewPlain(b.cache), spec)
	case sortBare:
		r, err := embedded.StartBare(ctx, b.tree)
		return startResult{ready: r.Writing.Seconds(), teardown: r.Teardown.Seconds()}, err
	}
	return b.startFrom(ctx, b.cache, spec)
}

// startWithout measures a start from a cache that lacks some of its folders.
func (b benchmark) startWithout(ctx context.Context, spec cluster.Spec, lacks ...string) (startResult, error) {
	bare, err := os.MkdirTemp(b.cache, "squall-bench-") // beside the rest: files are linked, not copied
	if err != nil {
		return startResult{}, fmt.Errorf("make a cache for a first start: %w", err)
	}
	defer os.RemoveAll(bare)
	for _, part := range []string{componentsFolder, imagesFolder, preparedFolder, storesFolder} {
		if slices.Contains(lacks, part) {
			continue
		}
		if err := os.Symlink(filepath.Join(b.cache, part), filepath.Join(bare, part)); err != nil {
			return startResult{}, fmt.Errorf("make a cache for a first start: %w", err)
		}
	}
	return b.startFrom(ctx, bare, spec)
}

// startFrom measures a start on an embedded cluster, with its milestones.
func (b benchmark) startFrom(ctx context.Context, cache string, spec cluster.Spec) (startResult, error) {
	var milestones []embedded.Milestone
	began := time.Now()
	p := embedded.New(cache)
	p.Milestones = func(m embedded.Milestone) {
		m.After = time.Since(began) // as all else that is shown
		milestones = append(milestones, m)
	}
	spec.Early = b.deploy
	result, err := b.measure(ctx, p, spec)
	result.milestones = append(milestones, embedded.Milestone{After: result.shopReady, What: "shop is ready"})
	return result, err
}

// deploy deploys the shop.
func (b benchmark) deploy(ctx context.Context, kubeconfig []byte) error {
	return deployShop(ctx, kubeconfig, b.rendered)
}

// measure measures one start and the teardown. What a spec does not deploy early
// is deployed once the cluster is ready.
func (b benchmark) measure(ctx context.Context, p cluster.Provider, spec cluster.Spec) (result startResult, err error) {
	began := time.Now()
	up, err := p.Create(ctx, spec, nil)
	if err != nil {
		return result, err
	}
	result.ready = time.Since(began).Seconds()
	defer func() {
		ending := time.Now()
		// Also when ctx has ended: what was made is removed.
		err = errors.Join(err, p.Remove(context.WithoutCancel(ctx), spec.Name))
		result.teardown = time.Since(ending).Seconds()
	}()
	if result.cpu, err = up.CPUSeconds(); err != nil {
		return result, err
	}
	if spec.Early == nil {
		kubeconfig, err := up.Kubeconfig()
		if err != nil {
			return result, err
		}
		if err := b.deploy(ctx, kubeconfig); err != nil {
			return result, err
		}
	}
	if err := awaitShop(ctx, up, b.rendered); err != nil {
		return result, err
	}
	result.shopReady = time.Since(began)
	answered := false
	_, err = sendLoad(ctx, up, shopLoad(up, 100, benchLimit), func(r traffic.Result) bool {
		answered = r.Code == 200
		return answered
	})
	if err != nil || !answered {
		return result, errors.Join(fmt.Errorf("the shop did not answer within %s", benchLimit), err)
	}
	result.serving = time.Since(began).Seconds()
	result.memory, result.nodes = ownMemory()
	return result, nil
}

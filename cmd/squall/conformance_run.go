package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"squall/cluster"
	"squall/cluster/clustertest/conformance"
	"squall/cluster/components"
	"squall/workloads/image"

	"k8s.io/apimachinery/pkg/api/resource"
)

// conformanceRun is one run of conformance tests, and what it is made of.
type conformanceRun struct {
	c        *cli
	asked    conformanceAsked
	programs conformance.Programs
	tree     components.Tree
	builder  image.Builder
	tests    []conformance.Test
}

// conformanceRun builds what a run needs.
func (c *cli) conformanceRun(ctx context.Context, asked conformanceAsked) (conformanceRun, error) {
	r := conformanceRun{c: c, asked: asked}
	cache, err := c.cache()
	if err != nil {
		return r, err
	}
	var parts components.Builder
	parts, r.builder = builders(cache, c.say)
	if r.tree, err = parts.Build(ctx); err != nil {
		return r, err
	}
	r.programs, err = conformance.Build(ctx, parts.Dir, c.say)
	return r, err
}

// testNamed tests a cluster that is made when there is none of that name.
// [cli.checkConformance] has found that it can be.
func (r conformanceRun) testNamed(ctx context.Context) (err error) {
	up, err := r.c.find(ctx, r.asked.name)
	if errors.Is(err, cluster.ErrNotFound) {
		p, _, unfit := r.c.maker(ctx, r.asked.on)
		if unfit != nil {
			return unfit
		}
		if up, err = r.makeCluster(ctx, p); err == nil && !r.asked.keep {
			// Also when ctx has ended: what was made is removed.
			defer func() { err = errors.Join(err, p.Remove(context.WithoutCancel(ctx), r.asked.name)) }()
		}
	}
	if err != nil {
		return err
	}
	config, err := up.Kubeconfig()
	if err != nil {
		return err
	}
	folder, err := conformanceFolder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return r.test(ctx, file, up.Info().Provider)
}

// makeCluster makes a cluster that holds the tests' images.
func (r conformanceRun) makeCluster(ctx context.Context, p cluster.Provider) (cluster.Cluster, error) {
	images, err := conformance.Images(ctx, r.builder, r.programs, r.tree)
	if err != nil {
		return nil, noGo(err)
	}
	up, err := p.Create(ctx, cluster.Spec{
		// Some tests want two nodes that take pods.
		Name: r.asked.name, Workers: 2, Images: images, Detached: r.asked.keep,
		NodeCPU: resource.MustParse("2"), NodeMemory: resource.MustParse("4Gi"),
	}, r.c.say)
	if err != nil {
		return nil, notMade(err)
	}
	return up, nil
}

// test runs the tests against the cluster of a kubeconfig and shows how they went.
func (r conformanceRun) test(ctx context.Context, kubeconfig, provider string) error {
	kubeconfig, err := filepath.Abs(kubeconfig)
	if err != nil {
		return misuse(err)
	}
	facts, err := conformance.Observe(ctx, kubeconfig)
	if err != nil {
		return misuse(err)
	}
	folder, remove, err := r.logs()
	if err != nil {
		return err
	}
	defer remove()
	runner := conformance.Runner{
		Programs: r.programs, Kubeconfig: kubeconfig, Kubectl: r.tree.Path("kubectl"),
		Parallel: r.asked.parallel, Folder: folder, Progress: r.c.say,
	}
	r.c.say(fmt.Sprintf("running %d tests against Kubernetes %s", len(r.tests), facts.Kubernetes))
	began := time.Now()
	each, failed := runner.Run(ctx, r.tests)
	facts.Provider, facts.Squall, facts.Parallel = provider, squallVersion(), r.asked.parallel
	facts.Seconds = time.Since(began).Seconds()
	results := conformance.Results{Facts: facts, Results: each}
	err = errors.Join(failed, results.WriteText(r.c.stdout))
	if r.asked.results != "" {
		err = errors.Join(err, results.Save(r.asked.results))
		r.c.giveBack(r.asked.results)
	}
	if err == nil && len(results.Bad()) > 0 {
		return ended(exitFail)
	}
	return err
}

// logs makes the folder for the tests' output. It is removed at the end unless it
// was asked for.
func (r conformanceRun) logs() (folder string, remove func(), err error) {
	if r.asked.logs == "" {
		folder, err := conformanceFolder()
		return folder, func() { os.RemoveAll(folder) }, err
	}
	if folder, err = r.newFolder(r.asked.logs); err != nil {
		return "", nil, err
	}
	return folder, func() { r.c.giveBack(folder) }, nil
}

// conformanceFolder makes a temporary folder that only the caller may read, and
// removes those of runs that were killed: their names bear the run's process id.
func conformanceFolder() (string, error) {
	const prefix = "squall-conformance-"
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*-*")) // the pattern is sound
	for _, folder := range old {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), prefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.RemoveAll(folder) // what cannot be removed is another user's
		}
	}
	folder, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return "", fmt.Errorf("make a folder for a run of conformance tests: %w", err)
	}
	return folder, nil
}

// newFolder makes a folder that is not there yet.
func (r conformanceRun) newFolder(name string) (string, error) {
	folder, err := filepath.Abs(name)
	if err == nil {
		err = os.Mkdir(folder, 0o755)
	}
	if err != nil {
		return "", misuse(err, "name a folder that does not exist, in one that does")
	}
	return folder, nil
}

// writeImages writes the images' archives to a folder.
func (r conformanceRun) writeImages(ctx context.Context, name string) error {
	images, err := conformance.Images(ctx, r.builder, r.programs, r.tree)
	if err != nil {
		return noGo(err)
	}
	folder, err := r.newFolder(name)
	if err != nil {
		return err
	}
	defer r.c.giveBack(folder)
	for i, img := range images {
		file := filepath.Join(folder, fmt.Sprintf("image-%02d.tar", i+1))
		if err := copyTo(file, img.Archive); err != nil {
			return fmt.Errorf("write image %s: %w", img.Ref, err)
		}
		fmt.Fprintf(r.c.stdout, "%s\t%s\n", file, img.Ref)
	}
	return nil
}

// copyTo copies a file.
func copyTo(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

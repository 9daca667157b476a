package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"squall/cluster"
	"squall/cluster/kind"
	"squall/workloads/image"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
)

const clusterUpHelp = `Make a cluster: real Kubernetes, control-plane nodes and workers.

Usage:
  squall cluster up NAME [FLAGS]

  NAME   letters, digits and dashes, at most 20; unique on this host

Flags:
  --workers N          worker nodes, 1 to 5; default 2
  --control-planes N   control-plane nodes, 1 or 3; default 1
  --node-cpu CPU       processors each worker has, whole ones; default 2
  --node-memory SIZE   memory each worker has, such as 2Gi; default 2Gi
  --timers SET         stock, which are Kubernetes' own and the default, or fast
  --registry HOST      a container registry, such as docker.io, that nodes may pull
                       from; they reach no other; may be repeated
  --image FILE|REF     an image that every node has from the start: an archive or
                       folder (OCI or docker save), or what a registry has under
                       this name; may be repeated
  --feature-gate GATE=true|false
                       set on every component that knows it; may be repeated
  --flag COMPONENT.FLAG=VALUE
                       a flag of etcd, kube-apiserver, kube-controller-manager,
                       kube-scheduler or kubelet; may be repeated
  --without PART       leave out metrics, storage, policy or loadbalancers; may
                       be repeated
  --kind-config FILE   a file in kind's own format that adds mounts, ports and patches
                       of kubeadm's and containerd's configurations; only with --on kind
  --node-image IMAGE   make nodes from an image that kind's project published and not from
                       Squall's own: "published" for the one that is nearest to it, or any
                       that is pinned by its digest; only with --on kind
  --on WHAT            what makes the cluster: embedded, which needs Linux and root;
                       kind, which needs Docker; or auto, the default: embedded as
                       root on Linux, else kind

The cluster stays until "squall cluster down NAME" or a reboot. Interrupted, or
when it does not come up, all that was made is removed.

Try it:
  sudo squall cluster up demo --workers 3 --timers fast
  sudo squall cluster up ha --control-planes 3 --flag kubelet.max-pods=20
  squall cluster up docked --on kind
`

// clusterAsked is what "squall cluster up" was asked for.
type clusterAsked struct {
	name, on, cpu, memory, timers string
	kindConfig, nodeImage         string
	workers, controlPlanes        int
	gates, flags, without         []string
	registries, images            []string
}

func (c *cli) clusterUp() *cobra.Command {
	var asked clusterAsked
	cmd := &cobra.Command{
		Use:               "up NAME",
		Args:              arguments(1, 1, "cluster up NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			asked.name = args[0]
			return c.bringUp(cmd, asked)
		},
	}
	written(cmd, "make a cluster", clusterUpHelp)
	cmd.Flags().IntVar(&asked.workers, "workers", 2, "worker nodes")
	cmd.Flags().IntVar(&asked.controlPlanes, "control-planes", 1, "control-plane nodes")
	cmd.Flags().StringVar(&asked.timers, "timers", string(cluster.StockTimers), "stock or fast")
	cmd.Flags().StringArrayVar(&asked.registries, "registry", nil, "a registry that nodes may pull from")
	cmd.Flags().StringArrayVar(&asked.images, "image", nil, "an image for every node")
	cmd.Flags().StringArrayVar(&asked.gates, "feature-gate", nil, "GATE=true or GATE=false")
	cmd.Flags().StringArrayVar(&asked.flags, "flag", nil, "COMPONENT.FLAG=VALUE")
	cmd.Flags().StringArrayVar(&asked.without, "without", nil, "a part to leave out")
	cmd.Flags().StringVar(&asked.cpu, "node-cpu", "2", "processors each worker has")
	cmd.Flags().StringVar(&asked.memory, "node-memory", "2Gi", "memory each worker has")
	cmd.Flags().StringVar(&asked.kindConfig, "kind-config", "", "a file in kind's format that adds to nodes")
	addNodeImageFlag(cmd, &asked.nodeImage)
	addProviderFlag(cmd, &asked.on)
	return cmd
}

// spec turns what was asked into a spec, or says all that is wrong with it.
func (a clusterAsked) spec() (cluster.Spec, error) {
	spec := cluster.Spec{
		Name: a.name, Workers: a.workers, ControlPlanes: a.controlPlanes, Detached: true, Timers: cluster.Timers(a.timers),
		Registries: a.registries, FeatureGates: map[string]bool{}, Flags: map[string]map[string]string{},
	}
	errs := []error{cluster.CheckName(a.name), checkProvider(a.on)}
	if most := maxWorkers(chosen(a.on)); a.workers < 1 || a.workers > most {
		errs = append(errs, fmt.Errorf("--workers %d: a cluster has 1 to %d", a.workers, most))
	}
	if a.controlPlanes != 1 && a.controlPlanes != 3 {
		errs = append(errs, fmt.Errorf("--control-planes %d: a cluster has 1 or 3", a.controlPlanes))
	}
	if a.kindConfig != "" && chosen(a.on) != kind.Name {
		errs = append(errs, fmt.Errorf("--kind-config %s: only kind clusters have that: add --on kind", a.kindConfig))
	}
	errs = append(errs, checkNodeImage(a.nodeImage, a.on))
	_, err := spec.Timers.Set()
	errs = append(errs, err, a.readChoices(&spec))
	if spec.NodeCPU, err = resource.ParseQuantity(a.cpu); err != nil || spec.NodeCPU.Sign() <= 0 {
		errs = append(errs, fmt.Errorf("--node-cpu %q is no number of processors, such as 2", a.cpu))
	}
	if spec.NodeMemory, err = resource.ParseQuantity(a.memory); err != nil || spec.NodeMemory.Sign() <= 0 {
		errs = append(errs, fmt.Errorf("--node-memory %q is no size, such as 2Gi or 512Mi", a.memory))
	}
	if err := errors.Join(errs...); err != nil {
		return spec, misuse(err, `"squall cluster up --help" shows the flags`)
	}
	return spec, nil
}

// fetchImages finds the images that were asked for: those that are files or
// folders there, the others at their registries.
func (a clusterAsked) fetchImages(ctx context.Context, b image.Builder) ([]image.Image, error) {
	var images []image.Image
	var errs []error
	for _, text := range a.images {
		img, err := fetchImage(ctx, b, text)
		images, errs = append(images, img), append(errs, err)
	}
	return images, errors.Join(errs...)
}

// fetchImage takes what is there, and what can only be a path, for a file or
// folder.
func fetchImage(ctx context.Context, b image.Builder, text string) (image.Image, error) {
	_, err := os.Stat(text)
	path := strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") || strings.HasSuffix(text, ".tar")
	if err == nil || path {
		return b.FromArchive(ctx, image.Archive{Path: text})
	}
	return b.FromRegistry(ctx, text)
}

// notFetched is for images that could not be had: a registry that does not
// answer is not the caller's fault.
func notFetched(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return unfit(err)
	case errors.Is(err, image.ErrRegistry):
		return unfit(err, "an image that is a file can be given by its path")
	}
	return misuse(err)
}

// readChoices reads the choices that may be repeated.
func (a clusterAsked) readChoices(spec *cluster.Spec) error {
	var errs []error
	for _, text := range a.gates {
		name, value, _ := strings.Cut(text, "=")
		on, err := strconv.ParseBool(value)
		if err != nil || name == "" {
			errs = append(errs, fmt.Errorf("--feature-gate %q: write GATE=true or GATE=false", text))
		}
		spec.FeatureGates[name] = on
	}
	for _, text := range a.flags {
		name, value, found := strings.Cut(text, "=")
		component, flag, dotted := strings.Cut(name, ".")
		if !found || !dotted || component == "" || flag == "" {
			errs = append(errs, fmt.Errorf("--flag %q: write COMPONENT.FLAG=VALUE, such as kubelet.max-pods=20", text))
			continue
		}
		if spec.Flags[component] == nil {
			spec.Flags[component] = map[string]string{}
		}
		spec.Flags[component][flag] = value
	}
	for _, part := range a.without {
		if !slices.Contains(cluster.Parts(), cluster.Part(part)) {
			errs = append(errs, fmt.Errorf("--without %q: there is no such part; there are %v", part, cluster.Parts()))
		}
		spec.Without = append(spec.Without, cluster.Part(part))
	}
	return errors.Join(errs...)
}

// kind is the provider of kind clusters with all that only they have.
func (a clusterAsked) kind(cache string) (provider, error) {
	p := kind.New(cache).WithNodeImage(nodeImageRef(a.nodeImage))
	if a.kindConfig == "" {
		return p, nil
	}
	additions, err := kind.ReadAdditions(a.kindConfig)
	if err != nil {
		return nil, misuse(err)
	}
	return p.With(additions), nil
}

func (c *cli) bringUp(cmd *cobra.Command, asked clusterAsked) error {
	spec, err := asked.spec()
	if err != nil {
		return err
	}
	p, cache, err := c.maker(cmd.Context(), asked.on)
	if err != nil {
		return err
	}
	if p.name == kind.Name {
		if p.provider, err = asked.kind(cache); err != nil {
			return err
		}
	}
	all, _, err := c.sources()
	if err != nil {
		return err
	}
	if err := all.checkFree(cmd.Context(), spec.Name, p.name); err != nil {
		return err
	}
	_, builder := builders(cache, c.say)
	if spec.Images, err = asked.fetchImages(cmd.Context(), builder); err != nil {
		return notFetched(err)
	}
	began := time.Now()
	up, err := p.Create(cmd.Context(), spec, c.say)
	if errors.Is(err, cluster.ErrExists) {
		return misuse(err)
	}
	if err != nil {
		return notMade(err)
	}
	return c.describeCluster(up.Info(), time.Since(began))
}

// describeCluster says what came up and how to use it.
func (c *cli) describeCluster(info cluster.Info, took time.Duration) error {
	from := ""
	if info.NodeImage != "" {
		from = " from " + info.NodeImage
	}
	fmt.Fprintf(c.stdout, "cluster %s is up after %.1f s: Kubernetes %s%s, API at %s\n\n", info.Name, took.Seconds(), info.Kubernetes, from, info.Server)
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	for _, n := range info.Nodes {
		role := "worker"
		if n.ControlPlane {
			role = "control plane"
		}
		fmt.Fprintf(out, "  %s\t%s\t%s\n", n.Name, n.Address, role)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.stdout, `
use it:
  squall kubectl %[1]s -- get nodes
  squall cluster kubeconfig %[1]s --write %[1]s.kubeconfig && export KUBECONFIG=$PWD/%[1]s.kubeconfig
remove it:
  squall cluster down %[1]s
`, info.Name)
	return err
}

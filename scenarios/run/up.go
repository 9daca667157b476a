package run

import (
	"context"
	"errors"
	"fmt"

	"squall/cluster"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/image"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// up makes the cluster and a client for it.
func (c *conductor) up(ctx context.Context, images []image.Image) error {
	c.show.phase("up", 0)
	spec := clusterSpec(c.scenario.Spec.Cluster, images, c.options.Keep)
	spec.Early = c.applyEarly
	made, err := c.options.Provider.Create(ctx, spec, func(line string) { c.show.say("%s", line) })
	if err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	c.cluster = made
	if err := c.connect(); err != nil {
		return errors.Join(err, c.remove())
	}
	return nil
}

// applyEarly deploys the workloads while the cluster's own parts start. What
// fails is tried again, and told, when it is their turn: by then there is a
// record to tell it in.
func (c *conductor) applyEarly(ctx context.Context, kubeconfig []byte) error {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("read the cluster's kubeconfig: %w", err)
	}
	config.QPS = -1
	_ = c.apply(ctx, config)
	return nil
}

// apply deploys the workloads.
func (c *conductor) apply(ctx context.Context, config *rest.Config) error {
	for _, r := range c.filled {
		if err := workloads.Apply(ctx, config, r); err != nil {
			return err
		}
	}
	c.applied = true
	return nil
}

// clusterSpec is what a scenario asks of a provider.
func clusterSpec(asked scenarios.Cluster, images []image.Image, keep bool) cluster.Spec {
	flags := map[string]map[string]string{}
	for component, values := range asked.Flags {
		flags[component] = map[string]string{}
		for name, value := range values {
			flags[component][name] = string(value)
		}
	}
	return cluster.Spec{
		Name:          "run-" + randomHex(3),
		Workers:       asked.Workers,
		ControlPlanes: asked.ControlPlanes,
		NodeCPU:       asked.Node.CPU,
		NodeMemory:    asked.Node.Memory,
		Images:        images,
		Registries:    asked.Registries,
		Timers:        cluster.Timers(asked.Timers),
		FeatureGates:  asked.FeatureGates,
		Flags:         flags,
		Detached:      keep,
	}
}

// connect makes the client.
func (c *conductor) connect() error {
	kubeconfig, err := c.cluster.Kubeconfig()
	if err != nil {
		return err
	}
	c.config, err = clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig of cluster %q: %w", c.cluster.Info().Name, err)
	}
	c.config.QPS = -1 // the cluster is ours alone; the client's own brake would delay faults
	c.client, err = kubernetes.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("make a client for cluster %q: %w", c.cluster.Info().Name, err)
	}
	return nil
}

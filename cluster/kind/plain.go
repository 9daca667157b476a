package kind

import (
	"context"
	"errors"
	"path/filepath"

	"squall/cluster"

	"sigs.k8s.io/kind/cmd/kind/app"
	"sigs.k8s.io/kind/pkg/cmd"
	"sigs.k8s.io/yaml"
)

// NewPlain returns a provider whose clusters come up as with the kind command:
// that command itself, of the library's version, on the same node image; then,
// one after the other, the same add-ons, the wait for nodes and DNS, and what is
// deployed early. Nothing of Kubernetes is tuned, and what a spec says of timers,
// gates and flags is not followed. It is there to be compared with; see [New].
func NewPlain(cache string) *Provider { return &Provider{cache: cache, plain: true} }

// kindCommand is the kind command. It shows its errors itself.
func kindCommand(args []string) error {
	return app.Run(cmd.NewLogger(), cmd.StandardIOStreams(), args)
}

// plainPatches are what the node image and hosts of less rights need.
func plainPatches() []map[string]any {
	return []map[string]any{
		{"kind": "ClusterConfiguration", "apiVersion": kubeadmVersion, "dns": noDNS()},
		{"kind": "KubeletConfiguration", "failCgroupV1": false},
		{"kind": "KubeProxyConfiguration", "conntrack": hostsConntrack()},
	}
}

// startKind starts what makes the containers and Kubernetes in them.
func (m making) startKind() (*child, error) {
	config, err := m.config()
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(m.folder, kubeconfigFile)
	if !m.plain {
		return startMake(m.name, makeOrder{Config: config, Kubeconfig: kubeconfig})
	}
	in, err := yaml.Marshal(config)
	if err != nil {
		return nil, err
	}
	return startChild(m.name, in, commandName, "create", "cluster", "--config", "-", "--kubeconfig", kubeconfig, "--retain")
}

// risePlainly brings a cluster up, each step when the one before it is done.
func (h *handle) risePlainly(ctx context.Context, made *child, spec cluster.Spec, progress func(string)) error {
	select {
	case <-made.ended:
		if made.err != nil {
			return made.err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	progress("kind is done")
	admin, err := h.Kubeconfig()
	if err != nil {
		return err
	}
	if err := errors.Join(h.applyAddons(ctx, admin), h.limit(ctx)); err != nil {
		return err
	}
	if err := cluster.WaitNodesReady(ctx, admin, h.nodeNames()); err != nil {
		return err
	}
	progress("every node is Ready")
	if err := errors.Join(h.eachNode(func(node string) error { return h.resolve(ctx, node) }), h.findAddresses(ctx)); err != nil {
		return err
	}
	progress("DNS answers on every node")
	if spec.Early == nil {
		return nil
	}
	return spec.Early(ctx, admin)
}

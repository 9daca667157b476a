package kind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"squall/cluster"
	"squall/cluster/components"
	"squall/cluster/kind/engine"
	"squall/cluster/kind/nodeimage"
	"squall/cluster/settings"
)

// Create makes a cluster and returns when every node is Ready and resolves names
// through the cluster's DNS. See [cluster.Provider].
func (p *Provider) Create(ctx context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	if progress == nil {
		progress = func(string) {}
	}
	if err := p.check(ctx, spec); err != nil {
		return nil, err
	}
	if err := p.sweepFor(ctx, spec.Name, progress); err != nil {
		return nil, err
	}
	if err := p.refuseTaken(ctx, spec.Name); err != nil {
		return nil, err
	}
	m, err := p.plan(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	return p.bring(ctx, m, spec, progress)
}

// check refuses what cannot be made, naming every reason at once.
func (p *Provider) check(ctx context.Context, spec cluster.Spec) error {
	var asked, host []error
	if err := cluster.CheckName(spec.Name); err != nil {
		asked = append(asked, err)
	}
	if spec.Workers < 1 || spec.Workers > MaxWorkers {
		asked = append(asked, fmt.Errorf("%d workers asked for: a kind cluster has 1 to %d", spec.Workers, MaxWorkers))
	}
	if n := spec.ControlPlanes; n != 0 && n != 1 && n != 3 {
		asked = append(asked, fmt.Errorf("%d control-plane nodes asked for: a kind cluster has 1 or 3", n))
	}
	if spec.NodeCPU.MilliValue()%1000 != 0 {
		asked = append(asked, fmt.Errorf("nodes of %s processors asked for: a kubelet advertises whole ones", spec.NodeCPU.String()))
	}
	if spec.NodeCPU.Sign() < 0 || spec.NodeMemory.Sign() < 0 {
		asked = append(asked, errors.New("a node's size cannot be negative"))
	}
	asked = append(asked, p.additions.check(spec))
	if p.nodeImage != "" {
		asked = append(asked, nodeimage.CheckRef(p.nodeImage))
	}
	host = append(host, checkRoom(spec)...)
	_, err := engine.Look(ctx)
	if host = append(host, err); err == nil {
		host = append(host, checkBalancer(ctx, spec))
	}
	var refusals []error
	if err := errors.Join(asked...); err != nil {
		refusals = append(refusals, fmt.Errorf("%w:\n%w", cluster.ErrSpec, err))
	}
	if err := errors.Join(host...); err != nil {
		refusals = append(refusals, fmt.Errorf("%w:\n%w", cluster.ErrHost, err))
	}
	return errors.Join(refusals...)
}

// plan builds or finds what the cluster is made of. Nothing of the cluster is
// there yet.
func (p *Provider) plan(ctx context.Context, spec cluster.Spec, progress func(string)) (making, error) {
	tree, err := components.Builder{Dir: filepath.Join(p.cache, "components"), Progress: progress}.Build(ctx)
	if err != nil {
		return making{}, err
	}
	m := making{name: spec.Name, folder: p.folder(spec.Name), nodes: layOut(spec), plain: p.plain, additions: p.additions}
	if m.settings, err = settings.Resolve(ctx, tree, spec, wiring); err != nil {
		return making{}, fmt.Errorf("%w:\n%w", cluster.ErrSpec, err)
	}
	image, err := nodeimage.Builder{Cache: p.cache, From: p.nodeImage, Progress: progress}.Build(ctx, spec.Images)
	if err != nil {
		return making{}, err
	}
	m.image, m.from, m.version = image.Ref, image.From, image.KubernetesVersion
	if m.programs, err = keepProgram(p.cache); err != nil {
		return making{}, err
	}
	m.port, err = freePort()
	return m, err
}

// freePort finds a port of the loopback that nobody listens on.
func freePort() (int32, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port for the API: %w", err)
	}
	defer l.Close()
	return int32(l.Addr().(*net.TCPAddr).Port), nil
}

// bring makes the cluster. When it fails, all that it made is gone.
func (p *Provider) bring(ctx context.Context, m making, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	keeper, err := p.settle(ctx, m.folder)
	if err != nil {
		return nil, err
	}
	h, err := p.fill(ctx, m, spec, progress)
	if err == nil && !spec.Detached {
		h.keeper = keeper
		return h, nil
	}
	if err != nil {
		// The keeper's own end would remove all this too; here the error is told.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeDeadline)
		defer cancel()
		if !errors.Is(ctx.Err(), context.Canceled) {
			err = blameEngine(undo, m.name, err)
		}
		err = errors.Join(err, removePatiently(undo, m.name, m.folder, engineReturn))
	}
	if late := keeper.release(); late != nil || err != nil {
		return nil, errors.Join(err, late)
	}
	return h, nil
}

// settle makes a cluster's state folder and starts the keeper that answers for
// it. Who looks for what dead clusters left must not see one without the other.
func (p *Provider) settle(ctx context.Context, folder string) (*keep, error) {
	unlock, err := p.lockClusters(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the cluster's state folder: %w", err)
	}
	return startKeeper(ctx, folder)
}

// fill makes the network, the containers and what is in them.
func (p *Provider) fill(ctx context.Context, m making, spec cluster.Spec, progress func(string)) (*handle, error) {
	if err := makeNetwork(ctx, m.name, m.folder, len(spec.Registries) > 0); err != nil {
		return nil, err
	}
	net, err := inspectNetwork(ctx, networkName(m.name))
	if err != nil {
		return nil, err
	}
	subnet, err := net.subnet()
	if err != nil {
		return nil, err
	}
	space, err := volumeSpace(ctx, len(m.nodes))
	if err != nil {
		return nil, err
	}
	s := state{
		Image: m.image, Programs: m.programs, Detached: spec.Detached, NextWorker: spec.Workers + 1,
		CPU: spec.NodeCPU.Value(), Memory: spec.NodeMemory.Value(), Space: space, Subnet: subnet.String(), Settings: m.settings,
		Info: cluster.Info{Name: m.name, Provider: Name, Kubernetes: m.version, NodeImage: m.from, Nodes: m.nodes,
			Server: fmt.Sprintf("https://127.0.0.1:%d", m.port), DNS: dnsServiceIP},
	}
	for _, n := range m.nodes {
		if err := s.orderFor(n).write(m.folder); err != nil {
			return nil, err
		}
	}
	if err := s.write(m.folder); err != nil {
		return nil, err
	}
	progress(fmt.Sprintf("making %d containers of %s", len(m.nodes), m.image))
	child, err := m.startKind()
	if err != nil {
		return nil, err
	}
	h := &handle{state: s, folder: m.folder}
	rise := h.rise
	if p.plain {
		rise = h.risePlainly
	}
	if err := rise(ctx, child, spec, progress); err != nil {
		child.kill()
		return nil, err
	}
	h.state.Ready = true
	return h, h.state.write(m.folder)
}

// wiring names the flags of a component that hold a cluster together: those that
// kubeadm and kind set.
func wiring(component string) map[string]bool {
	names := map[string][]string{
		"etcd": {"advertise-client-urls", "cert-file", "client-cert-auth", "data-dir", "initial-advertise-peer-urls", "initial-cluster",
			"key-file", "listen-client-urls", "listen-metrics-urls", "listen-peer-urls", "name", "peer-cert-file", "peer-client-cert-auth",
			"peer-key-file", "peer-trusted-ca-file", "trusted-ca-file"},
		"kube-apiserver": {"advertise-address", "allow-privileged", "authorization-mode", "client-ca-file", "enable-aggregator-routing",
			"enable-bootstrap-token-auth", "etcd-cafile", "etcd-certfile", "etcd-keyfile", "etcd-servers", "kubelet-client-certificate",
			"kubelet-client-key", "kubelet-preferred-address-types", "proxy-client-cert-file", "proxy-client-key-file",
			"requestheader-allowed-names", "requestheader-client-ca-file", "requestheader-extra-headers-prefix", "requestheader-group-headers",
			"requestheader-username-headers", "secure-port", "service-account-issuer", "service-account-key-file",
			"service-account-signing-key-file", "service-cluster-ip-range", "tls-cert-file", "tls-private-key-file"},
		"kube-controller-manager": {"allocate-node-cidrs", "authentication-kubeconfig", "authorization-kubeconfig", "bind-address",
			"client-ca-file", "cluster-cidr", "cluster-name", "cluster-signing-cert-file", "cluster-signing-key-file", "controllers",
			"kubeconfig", "requestheader-client-ca-file", "root-ca-file", "service-account-private-key-file", "service-cluster-ip-range",
			"use-service-account-credentials"},
		"kube-scheduler": {"authentication-kubeconfig", "authorization-kubeconfig", "bind-address", "kubeconfig"},
		"kubelet": {"bootstrap-kubeconfig", "kubeconfig", "config", "container-runtime-endpoint", "hostname-override", "node-ip",
			"node-labels", "provider-id", "pod-infra-container-image", "runtime-cgroups"},
	}
	all := map[string]bool{}
	for _, name := range names[component] {
		all[name] = true
	}
	return all
}

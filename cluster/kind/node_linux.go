package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"squall/cluster"
	"squall/cluster/addons"
	"squall/cluster/nodeservices"
	"squall/cluster/nodesize"
	"squall/cluster/volumes"

	"k8s.io/client-go/tools/clientcmd"
)

// prepareNode makes a node what it is to be before its kubelet starts: as large
// as it is held to, and with the volumes that it had.
func prepareNode([]string) error {
	o, err := readOrder(orderPath)
	if err != nil {
		return err
	}
	if err := errors.Join(nodesize.Present(o.CPU, o.Memory), nodesize.PresentBoot()); err != nil {
		return err
	}
	return newDisks().restore()
}

// runNode is what runs on a node for as long as it is on: the network of its
// pods, then its own services.
func runNode([]string) error {
	o, err := readOrder(orderPath)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ended := make(chan error, 3)
	go func() { ended <- connectPods(ctx, o.Node, log) }()
	go func() { ended <- o.serve(ctx, log) }()
	go func() { ended <- o.finish(ctx) }()
	for range cap(ended) {
		if err := <-ended; err != nil && ctx.Err() == nil {
			return err // systemd starts all anew
		}
	}
	return nil
}

// serve runs the node's own services as soon as it has their credentials.
func (o nodeOrder) serve(ctx context.Context, log *slog.Logger) error {
	if err := waitFile(ctx, servicesConfig); err != nil {
		return err
	}
	disks := newDisks()
	return nodeservices.Run(ctx, nodeservices.Order{
		Node: o.Node, ControlPlane: o.ControlPlane, Kubeconfig: servicesConfig, VolumeSpace: o.VolumeSpace, Without: o.Without,
	}, nodeservices.Options{
		Log: log, CNIResults: cniResults, Pool: balancerPool(o.Subnet),
		Disks: &volumes.Folder{Root: volumesDir, Mount: disks.mount, Unmount: disks.unmount, Capacity: o.VolumeSpace},
	})
}

// balancerPool are the addresses of LoadBalancer Services: the upper half of the
// cluster's own network, which nodes do not reach from below.
func balancerPool(subnet string) netip.Prefix {
	p, err := netip.ParsePrefix(subnet)
	if err != nil {
		return netip.Prefix{}
	}
	a := p.Addr().As4()
	a[3] |= 0x80
	return netip.PrefixFrom(netip.AddrFrom4(a), p.Bits()+1)
}

// finish creates, on the first control-plane node, what every cluster has soon
// after it is ready: nothing waits for it.
func (o nodeOrder) finish(ctx context.Context) error {
	const admin = "/etc/kubernetes/admin.conf"
	if o.Node != clientHost || o.Without[cluster.Metrics] {
		return nil
	}
	if err := waitFile(ctx, admin); err != nil {
		return err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", admin)
	if err != nil {
		return err
	}
	client, err := addons.NewRESTClient(cfg)
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(authorityCert)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(authorityKey)
	if err != nil {
		return err
	}
	signer, err := readAuthority(cert, key)
	if err != nil {
		return err
	}
	serving, err := signer.issue(subject{user: addons.MetricsHost, hosts: []string{addons.MetricsHost}}, time.Now())
	if err != nil {
		return err
	}
	return addons.Late(ctx, client, addons.LateOptions{
		Metrics: addons.MetricsOptions{Image: metricsImage, Cert: serving.Cert, Key: serving.Key, Timers: o.Timers,
			NodeSelector: map[string]string{addons.ControlPlaneRole: ""}},
		Authority: cert, Without: o.Without,
	})
}

// waitFile waits until a file is there.
func waitFile(ctx context.Context, path string) error {
	for {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", path, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond): // its maker is another program
		}
	}
}

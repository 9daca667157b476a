// Package nodeservices is the process of a node's own services. They are what
// other clusters run as DaemonSets and cloud controllers: the NetworkPolicy
// controller, the provisioner of volumes and, on control-plane nodes, the
// addresses of LoadBalancer Services. They are one process a node, which the
// node keeps running; its rules and mounts stay while it is away.
//
// It neither starts that process nor makes disks; both are of the cluster's
// provider.
package nodeservices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"squall/cluster"
	"squall/cluster/loadbalancer"
	"squall/cluster/policy"
	"squall/cluster/volumes"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Order is what the services' process is told, as its argument.
type Order struct {
	Node         string
	ControlPlane bool
	Kubeconfig   string // a file
	VolumeSpace  int64  // bytes that the node's volumes may have together
	Without      map[cluster.Part]bool
}

// Argument is the order as the process's one argument, which [Read] reads.
func (o Order) Argument() (string, error) {
	b, err := json.Marshal(o)
	return string(b), err
}

// Read reads the arguments of the services' process.
func Read(args []string) (Order, error) {
	if len(args) != 1 {
		return Order{}, fmt.Errorf("got %d arguments, need one", len(args))
	}
	var o Order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return Order{}, fmt.Errorf("reading the order: %w", err)
	}
	return o, nil
}

// Options are what the services have of their cluster's provider.
type Options struct {
	// Disks are the node's; nil when the order is without storage.
	Disks volumes.Disks
	// CNIResults is the folder where the node's CNI keeps the addresses that it
	// has given.
	CNIResults string
	// Pool are the addresses that LoadBalancer Services get.
	Pool netip.Prefix
	// Log takes what is done and what fails; nil drops it.
	Log *slog.Logger
}

// Run runs the services of a node until ctx ends. It ends when any of them
// fails, and is to be started again.
func Run(ctx context.Context, order Order, o Options) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", order.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the services' kubeconfig: %w", err)
	}
	cfg.ContentType = "application/vnd.kubernetes.protobuf" // a quarter of the work of JSON
	cfg.QPS, cfg.Burst = 50, 100
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return runAll(ctx, services(client, order, o))
}

// services are those that the node runs.
func services(client kubernetes.Interface, order Order, o Options) []func(context.Context) error {
	var all []func(context.Context) error
	if !order.Without[cluster.Policy] {
		all = append(all, func(ctx context.Context) error {
			return policy.Run(ctx, policy.Options{Client: client, Node: order.Node, Log: o.Log, CNIResults: o.CNIResults})
		})
	}
	if !order.Without[cluster.Storage] {
		all = append(all, func(ctx context.Context) error {
			return volumes.Run(ctx, volumes.Options{Client: client, Node: order.Node, Log: o.Log, Disks: o.Disks})
		})
	}
	if order.ControlPlane && !order.Without[cluster.LoadBalancers] {
		all = append(all, func(ctx context.Context) error {
			return loadbalancer.Run(ctx, loadbalancer.Options{Client: client, Node: order.Node, Pool: o.Pool, Log: o.Log})
		})
	}
	return all
}

// runAll runs functions side by side until one fails or ctx ends.
func runAll(ctx context.Context, all []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for _, run := range all {
		go func() { ended <- run(ctx) }()
	}
	var errs []error
	for range all {
		err := <-ended
		if err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
			cancel()
		}
	}
	<-ctx.Done() // without any there is nothing to do, but to be there
	return errors.Join(errs...)
}

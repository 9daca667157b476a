package kind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// cniResults is where a node's CNI keeps the addresses that it has given.
const cniResults = "/var/lib/cni/results"

// cniFile is the node's CNI configuration, cniJSON what is in it: a veth pair a
// pod, addresses from the node's range, host ports. Addresses are given anew
// after the node's start, as nothing then runs that has one.
const (
	cniFile = "/etc/cni/net.d/10-squall.conflist"
	cniJSON = `{
  "cniVersion": "1.0.0", "name": "squall",
  "plugins": [
    {"type": "ptp", "ipMasq": false, "mtu": 1500,
     "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "%s"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`
)

// connectPods configures the node's CNI once the controller manager has given it
// a range of addresses, and keeps the routes to the other nodes' ranges. Kubelets
// may read no node but their own, so it is done with the services' rights.
func connectPods(ctx context.Context, node string, log *slog.Logger) error {
	if err := waitFile(ctx, servicesConfig); err != nil {
		return err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", servicesConfig)
	if err != nil {
		return fmt.Errorf("reading the services' kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	p := &podRoutes{self: node, log: log, routes: map[string]podRoute{}}
	for {
		err := p.follow(ctx, client)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		log.Warn("following the nodes", "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond): // the API server may be away
		}
	}
}

// podRoute is the way to the pods of another node.
type podRoute struct{ network, gateway string }

// podRoutes are the node's routes to the other nodes' pods, by node.
type podRoutes struct {
	self   string
	log    *slog.Logger
	routes map[string]podRoute
}

// follow takes the nodes as they are and every change, until the watch ends.
func (p *podRoutes) follow(ctx context.Context, client kubernetes.Interface) error {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		if err := p.take(&list.Items[i]); err != nil {
			return err
		}
	}
	w, err := client.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		node, ok := e.Object.(*corev1.Node)
		switch {
		case !ok:
			return errors.New("the API server ended the watch of nodes")
		case e.Type == watch.Deleted:
			err = p.forget(node.Name)
		default:
			err = p.take(node)
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the watch of nodes ended")
}

// take learns what a node's range and address are.
func (p *podRoutes) take(n *corev1.Node) error {
	if n.Spec.PodCIDR == "" {
		return nil
	}
	if n.Name == p.self {
		return writeCNI(n.Spec.PodCIDR)
	}
	for _, a := range n.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		to := podRoute{n.Spec.PodCIDR, a.Address}
		if p.routes[n.Name] == to {
			return nil
		}
		if err := p.forget(n.Name); err != nil {
			return err
		}
		if err := setRoute(to, netlink.RouteReplace); err != nil {
			return fmt.Errorf("routing the pods of %s: %w", n.Name, err)
		}
		p.routes[n.Name] = to
		p.log.Info("routed", "pods of", n.Name, "network", to.network, "to", to.gateway)
	}
	return nil
}

// forget removes the route to a node's pods. It may be gone.
func (p *podRoutes) forget(node string) error {
	to, ok := p.routes[node]
	if !ok {
		return nil
	}
	delete(p.routes, node)
	if err := setRoute(to, netlink.RouteDel); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("removing the route to the pods of %s: %w", node, err)
	}
	return nil
}

// setRoute adds or removes a route through the node's only card.
func setRoute(to podRoute, set func(*netlink.Route) error) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	_, network, err := net.ParseCIDR(to.network)
	if err != nil {
		return err
	}
	return set(&netlink.Route{Dst: network, Gw: net.ParseIP(to.gateway), LinkIndex: link.Attrs().Index})
}

// writeCNI writes the configuration, unless it is there.
func writeCNI(network string) error {
	content := fmt.Sprintf(cniJSON, network)
	if b, err := os.ReadFile(cniFile); err == nil && string(b) == content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(cniFile), 0o755); err != nil {
		return fmt.Errorf("writing the CNI's configuration: %w", err)
	}
	return writeWhole(cniFile, []byte(content))
}

//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bridgeName is the bridge in the supervisor's network namespace; every node
// has one leg on it.
const bridgeName = "squall0"

// makeBridge sets up the supervisor's network namespace.
func makeBridge() error {
	if err := up("lo"); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	// One that is not given is that of a leg, and changes as legs come and go.
	attrs.HardwareAddr = hardwareAddress(bridgeIndex)
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("making the bridge: %w", err)
	}
	if err := address(bridgeName, bridgeAddress); err != nil {
		return err
	}
	if err := up(bridgeName); err != nil {
		return err
	}
	return allowForwarding()
}

// plugIn connects the network namespace of a node's PID 1 to the bridge.
func plugIn(n nodeConfig, pid int) error {
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("finding the bridge: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.leg()
	attrs.MasterIndex = bridge.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid),
		PeerHardwareAddr: hardwareAddress(n.Index)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("making the link to the node: %w", err)
	}
	if err := up(attrs.Name); err != nil {
		return err
	}
	return route(bridgeName, n.podNetwork(), n.address())
}

// leg is the name of a node's leg on the bridge.
func (n nodeConfig) leg() string { return fmt.Sprintf("node%d", n.Index) }

// bridgeIndex stands for the bridge where nodes have their index.
const bridgeIndex = 255

// hardwareAddress is the address of a node's network card. It is the same after
// each start, as that of a real machine, so the others need not learn it anew.
// The first byte says that it was not given by a manufacturer.
func hardwareAddress(index int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 's', 'q', 'l', 0, byte(index)}
}

// switchLink takes a node's link up or down at the bridge. All that hangs on the
// bridge or lies in the node stays: addresses, routes, neighbours.
func switchLink(n nodeConfig, on bool) error {
	to, set := "down", netlink.LinkSetDown
	if on {
		to, set = "up", netlink.LinkSetUp
	}
	link, err := netlink.LinkByName(n.leg())
	if err == nil {
		err = set(link)
	}
	if err != nil {
		return fmt.Errorf("setting the link %s %s: %w", n.leg(), to, err)
	}
	return nil
}

// unplug removes a node's link. It may be gone: it goes with the node's network
// namespace.
func unplug(n nodeConfig) error {
	link, err := netlink.LinkByName(n.leg())
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil && !noLink(err) {
		return fmt.Errorf("removing the link %s: %w", n.leg(), err)
	}
	return nil
}

// noLink tells whether an error says that a link does not exist.
func noLink(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing) || errors.Is(err, unix.ENODEV)
}

// configureNetwork sets up a node's own network namespace. Every node routes
// to the other nodes' pods directly.
func configureNetwork(n nodeConfig, peers []nodeConfig) error {
	if err := up("lo"); err != nil {
		return err
	}
	if err := address("eth0", n.address()); err != nil {
		return err
	}
	if err := up("eth0"); err != nil {
		return err
	}
	if err := route("eth0", "0.0.0.0/0", bridgeAddress); err != nil {
		return err
	}
	if err := routePeers(n, nil, peers); err != nil {
		return err
	}
	return allowForwarding()
}

// routePeers makes a node's routes to the other nodes' pods what they must be
// when the nodes of the cluster change.
func routePeers(n nodeConfig, before, now []nodeConfig) error {
	for _, p := range before {
		if p.Name == n.Name || slices.Contains(now, p) {
			continue
		}
		if err := unroute("eth0", p.podNetwork()); err != nil {
			return err
		}
	}
	for _, p := range now {
		if p.Name == n.Name {
			continue
		}
		if err := route("eth0", p.podNetwork(), p.address()); err != nil {
			return err
		}
	}
	return nil
}

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("setting the link %s up: %w", name, err)
	}
	return nil
}

// address gives a link its address in the nodes' network.
func address(name, ip string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		_, network, _ := net.ParseCIDR(nodeNetwork)
		err = netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(ip), Mask: network.Mask}})
	}
	if err != nil {
		return fmt.Errorf("giving the link %s the address %s: %w", name, ip, err)
	}
	return nil
}

func route(link, destination, gateway string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", link, err)
	}
	_, dst, err := net.ParseCIDR(destination)
	if err == nil {
		err = netlink.RouteReplace(&netlink.Route{Dst: dst, Gw: net.ParseIP(gateway), LinkIndex: l.Attrs().Index})
	}
	if err != nil {
		return fmt.Errorf("routing %s through %s: %w", destination, gateway, err)
	}
	return nil
}

// unroute removes a route, if it is there.
func unroute(link, destination string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", link, err)
	}
	_, dst, err := net.ParseCIDR(destination)
	if err == nil {
		err = netlink.RouteDel(&netlink.Route{Dst: dst, LinkIndex: l.Attrs().Index})
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("removing the route to %s: %w", destination, err)
	}
	return nil
}

func allowForwarding() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("allowing the forwarding of packets: %w", err)
	}
	return nil
}

// resolve asks the cluster's DNS, through its Service, for the API's name. It
// proves at once that kube-proxy has programmed this node, that the pod network
// reaches it and that CoreDNS answers from the API.
func resolve(ctx context.Context) error {
	r := net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp4", net.JoinHostPort(dnsServiceIP, "53"))
		},
	}
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	addresses, err := r.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err != nil {
		return err
	}
	if len(addresses) != 1 || addresses[0] != apiServiceIP {
		return fmt.Errorf("the API's name resolves to %v, not to %s", addresses, apiServiceIP)
	}
	return nil
}

package policy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"
)

// netns is a network namespace. Threads of this process hold it, so it is gone
// with them, however the test ends.
type netns struct {
	fd   *os.File
	work chan func()
}

func newNetns(t *testing.T) *netns {
	t.Helper()
	n := &netns{work: make(chan func())}
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.fd, err = os.Open("/proc/thread-self/ns/net")
		}
		ready <- err
		for f := range n.work {
			f()
		}
	}()
	require.NoError(t, <-ready, "a network namespace needs root")
	t.Cleanup(func() {
		close(n.work)
		_ = n.fd.Close()
	})
	n.do(t, func() error { return linkUp("lo") })
	return n
}

// do runs a function in the namespace.
func (n *netns) do(t *testing.T, f func() error) {
	t.Helper()
	require.NoError(t, n.try(f))
}

func (n *netns) try(f func() error) error {
	done := make(chan error, 1)
	n.work <- func() { done <- f() }
	return <-done
}

// spawn runs a function on a thread of its own in the namespace.
func (n *netns) spawn(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(n.fd.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return done
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// nodeNet is a node: a namespace that forwards, with the rules of its own.
type nodeNet struct {
	*netns
	kernel *kernel
	pods   int
}

// podNet is a pod with an echo server on some ports.
type podNet struct {
	*netns
	address netip.Addr
}

// lab is two nodes with a cable between them.
type lab struct{ nodes [2]*nodeNet }

func newLab(t *testing.T) lab {
	t.Helper()
	var l lab
	for i := range l.nodes {
		l.nodes[i] = &nodeNet{netns: newNetns(t)}
	}
	l.nodes[0].do(t, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(l.nodes[1].fd.Fd())})
	})
	for i, n := range l.nodes {
		n.do(t, func() error {
			return errors.Join(
				os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644),
				addAddress("eth0", nodeAddress(i).String()+"/24"),
				linkUp("eth0"),
				addRoute("eth0", "0.0.0.0/0", nodeAddress(1-i).String()))
		})
		n.do(t, func() error {
			nft, err := knftables.New(knftables.InetFamily, tableName)
			n.kernel = &kernel{nft: nft}
			return err
		})
	}
	return l
}

func addAddress(link, cidr string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return netlink.AddrAdd(l, a)
}

func addRoute(link, destination, gateway string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	_, dst, err := net.ParseCIDR(destination)
	if err != nil {
		return err
	}
	r := &netlink.Route{Dst: dst, LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK}
	if gateway != "" {
		r.Gw, r.Scope = net.ParseIP(gateway), netlink.SCOPE_UNIVERSE
	}
	return netlink.RouteAdd(r)
}

// pod adds a pod as the ptp plugin does: a veth pair, and on the node a route
// to the one address.
func (l lab) pod(t *testing.T, node int, address string) *podNet {
	t.Helper()
	n, p := l.nodes[node], &podNet{netns: newNetns(t), address: netip.MustParseAddr(address)}
	gateway := fmt.Sprintf("10.244.%d.1", node+1)
	veth := fmt.Sprintf("veth%d", n.pods)
	n.pods++
	n.do(t, func() error {
		return errors.Join(
			netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: veth}, PeerName: "eth0", PeerNamespace: netlink.NsFd(p.fd.Fd())}),
			addAddress(veth, gateway+"/32"), linkUp(veth), addRoute(veth, address+"/32", ""))
	})
	p.do(t, func() error {
		return errors.Join(addAddress("eth0", address+"/32"), linkUp("eth0"),
			addRoute("eth0", gateway+"/32", ""), addRoute("eth0", "0.0.0.0/0", gateway))
	})
	p.serve(t, 80, 81, 8080)
	return p
}

// serve echoes on TCP and UDP ports until the test ends.
func (n *netns) serve(t *testing.T, ports ...int) {
	t.Helper()
	for _, port := range ports {
		n.do(t, func() error {
			l, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = l.Close() })
			go acceptAll(l)
			u, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", port))
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = u.Close() })
			go answerAll(u)
			return nil
		})
	}
}

func acceptAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}()
	}
}

func answerAll(u net.PacketConn) {
	buffer := make([]byte, 64)
	for {
		size, from, err := u.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = u.WriteTo(buffer[:size], from)
	}
}

// dial connects from the namespace. A denied packet is dropped, so it shows as
// a wait that ends.
func (n *netns) dial(network, address string, wait time.Duration) (net.Conn, error) {
	var c net.Conn
	err := <-n.spawn(func() (err error) {
		c, err = net.DialTimeout(network, address, wait)
		return err
	})
	return c, err
}

// deniedAfter is how long an answer may take on a network that is all memory.
const deniedAfter = 200 * time.Millisecond

// reaches tells whether an echo comes back on a new connection.
func (n *netns) reaches(network, address string) bool {
	c, err := n.dial(network, address, deniedAfter)
	if err != nil {
		return false
	}
	defer c.Close()
	return echoes(c, deniedAfter) == nil
}

func echoes(c net.Conn, wait time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

// nft runs nft in the namespace with a text as its input.
func (n *netns) nft(text string, arguments ...string) (string, error) {
	var out []byte
	err := n.try(func() (err error) {
		cmd := exec.Command("nft", arguments...)
		cmd.Stdin = strings.NewReader(text)
		out, err = cmd.CombinedOutput()
		return err
	})
	return string(out), err
}

// apply writes the ruleset of a state into both nodes.
func (l lab) apply(t *testing.T, in state) {
	t.Helper()
	for i, n := range l.nodes {
		in.node = nodes()[i]
		rules := build(in)
		n.do(t, func() error {
			_, err := n.kernel.apply(t.Context(), rules, false)
			return err
		})
	}
}

//go:build linux

package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// supervisorConfig is what the janitor tells the supervisor.
type supervisorConfig struct {
	Config      config
	Hierarchies []hierarchy
}

// host is the supervisor's work: the machine that the nodes stand on.
type host struct {
	cfg    config
	hs     []hierarchy
	reaper *reaper
	events *eventWriter
}

// supervisor is PID 1 of a cluster.
func supervisor([]string) error {
	var sc supervisorConfig
	if err := readConfig(&sc); err != nil {
		return err
	}
	for _, fd := range []int{fdEvents, fdListener, fdLife} {
		unix.CloseOnExec(fd)
	}
	h := &host{
		cfg:    sc.Config,
		hs:     sc.Hierarchies,
		events: &eventWriter{file: os.NewFile(fdEvents, "events")},
	}
	err := h.run()
	h.events.send(event{What: whatFailed, Status: err.Error()})
	return err
}

// run brings the machine and its nodes up and stays until the janitor is gone.
// It always returns an error.
func (h *host) run() error {
	if err := mountRoot(h.cfg); err != nil {
		return err
	}
	if err := mountSys(h.hs); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("squall-" + h.cfg.Name)); err != nil {
		return fmt.Errorf("naming the host: %w", err)
	}
	if err := makeBridge(); err != nil {
		return err
	}
	h.reaper = newReaper()
	nodes := make([]*nodeLink, len(h.cfg.Nodes))
	for i, n := range h.cfg.Nodes {
		link, err := h.startNode(n)
		if err != nil {
			return fmt.Errorf("starting node %s: %w", n.Name, err)
		}
		nodes[i] = link
	}
	for _, link := range nodes {
		go h.listen(link, nodes)
	}
	listener, err := net.FileListener(os.NewFile(fdListener, "api"))
	if err != nil {
		return fmt.Errorf("taking over the API's address: %w", err)
	}
	go forward(listener, net.JoinHostPort(h.cfg.Nodes[0].address(), fmt.Sprint(apiPort)))
	// Nothing is ever written to this pipe: reading ends when the janitor does.
	_, _ = io.Copy(io.Discard, os.NewFile(fdLife, "life"))
	return errors.New("the janitor is gone")
}

// nodeLink is the supervisor's end of the socket to a node.
type nodeLink struct {
	name   string
	conn   net.Conn
	orders *json.Encoder
}

// startNode clones a node's PID 1 and connects it to the bridge.
func (h *host) startNode(n nodeConfig) (*nodeLink, error) {
	if err := makeGroup(h.hs, n.Name); err != nil {
		return nil, err
	}
	if err := limitGroup(h.hs, n.Name, n.CPU, n.Memory); err != nil {
		return nil, err
	}
	link, theirs, err := socketPair(n.Name)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	pid, ended, err := h.reaper.start("/proc/self/exe", []string{enterName, nodeName, n.Name}, &syscall.ProcAttr{
		Env:   partEnvironment(),
		Files: []uintptr{0, 2, 2, theirs.Fd()},
		Sys:   &syscall.SysProcAttr{Cloneflags: nodeNamespaces, Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	go func() {
		status := <-ended
		h.events.send(event{Node: n.Name, What: whatFailed, Status: "the node's init " + describeStatus(status)})
	}()
	if err := plugIn(n, pid); err != nil {
		return nil, err
	}
	setup := nodeSetup{
		Node:        n,
		Peers:       h.cfg.Nodes,
		Hierarchies: h.hs,
		PKI:         h.cfg.PKI.of(n),
		Store:       h.cfg.Store,
		Prepared:    h.cfg.Prepared != "",
		APIServer:   h.cfg.apiServer(),
	}
	if h.cfg.SaveTemp != "" {
		setup.SaveTo, setup.SaveTemp = filepath.Base(h.cfg.SaveTo), filepath.Base(h.cfg.SaveTemp)
	}
	return link, link.orders.Encode(order{Setup: &setup})
}

// socketPair makes the socket between supervisor and node.
func socketPair(name string) (*nodeLink, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("making a socket: %w", err)
	}
	return &nodeLink{name: name, conn: conn, orders: json.NewEncoder(conn)}, theirs, nil
}

// listen passes a node's events on. When the control plane says that nodes may
// join, they are told to.
func (h *host) listen(link *nodeLink, all []*nodeLink) {
	events := json.NewDecoder(link.conn)
	for {
		var e event
		if err := events.Decode(&e); err != nil {
			return // the node's end is reported where its status is collected
		}
		e.Node = link.name
		h.events.send(e)
		if e.What == whatDNS {
			giveBack() // the node is up: there is little left to do for it
		}
		if e.What != whatOpen {
			continue
		}
		for _, l := range all {
			if err := l.orders.Encode(order{Go: true}); err != nil {
				h.events.send(event{Node: l.name, What: whatFailed, Status: "could not be told to join: " + err.Error()})
			}
		}
	}
}

// forward copies connections from a listener to an address in the cluster.
func forward(l net.Listener, address string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			d, err := net.Dial("tcp4", address)
			if err != nil {
				return
			}
			defer d.Close()
			go func() {
				_, _ = io.Copy(d, c)
				_ = d.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(c, d)
		}()
	}
}

//go:build linux

package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"maps"
	"sync"
)

// supervisorConfig is what the janitor tells the supervisor.
type supervisorConfig struct {
	Config config
	Groups groups
}

// host is the supervisor's work: the machine that the nodes stand on.
type host struct {
	cfg    config
	groups groups
	reaper *reaper
	events *eventWriter
	// volumes are those that are mounted, by path; see [host.serveDisks].
	volumes  map[string]volume
	mounting sync.Mutex // guards volumes
	life     *lifeline

	// growing is held while the set of nodes changes.
	growing sync.Mutex

	mu    sync.Mutex // guards what follows
	slots []*slot    // in the order in which the nodes were made
	next  int        // the index of the next worker
	open  bool       // nodes may join
}

// supervisor is PID 1 of a cluster.
func supervisor([]string) error {
	var sc supervisorConfig
	if err := readConfig(&sc); err != nil {
		return err
	}
	for _, fd := range []int{fdEvents, fdListener, fdLife, fdControl} {
		unix.CloseOnExec(fd)
	}
	h := &host{
		cfg:    sc.Config,
		groups: sc.Groups,
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
	if err := mountSys(h.groups); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("squall-" + h.cfg.Name)); err != nil {
		return fmt.Errorf("naming the host: %w", err)
	}
	if err := makeBridge(); err != nil {
		return err
	}
	h.reaper = newReaper()
	if err := h.serveDisks(); err != nil {
		return err
	}
	life, err := newLifeline(os.NewFile(fdLife, "life"))
	if err != nil {
		return err
	}
	h.life = life
	if err := h.startNodes(); err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(fdListener, "api"))
	if err != nil {
		return fmt.Errorf("taking over the API's address: %w", err)
	}
	if err := h.balance(listener); err != nil {
		return err
	}
	control, err := net.FileListener(os.NewFile(fdControl, "control"))
	if err != nil {
		return fmt.Errorf("taking over the control socket: %w", err)
	}
	go h.serveControl(control)
	h.life.wait()
	return errors.New("the janitor is gone")
}

// startNodes starts every node that the cluster begins with.
func (h *host) startNodes() error {
	for _, n := range h.cfg.Nodes {
		if !n.ControlPlane {
			h.next = max(h.next, n.Index+1)
		}
		s := newSlot(n)
		s.space = h.cfg.VolumeSpace
		h.slots = append(h.slots, s)
	}
	for _, s := range h.slots {
		if err := h.switchOn(s); err != nil {
			return fmt.Errorf("starting node %s: %w", s.node.Name, err)
		}
	}
	return nil
}

// switchOn clones a node's PID 1, connects it to the bridge and tells it what to
// do.
func (h *host) switchOn(s *slot) error {
	n := s.node
	if err := h.groups.make(n.Name); err != nil {
		return err
	}
	if err := h.groups.limit(n.Name, n.CPU, n.Memory); err != nil {
		return err
	}
	if err := h.groups.weigh(n.Name, n.share()); err != nil {
		return err
	}
	link, theirs, err := socketPair(n.Name)
	if err != nil {
		return err
	}
	defer theirs.Close()
	pid, ended, err := h.reaper.start("/proc/self/exe", []string{enterName, nodeName, n.Name}, &syscall.ProcAttr{
		Env:   partEnvironment(),
		Files: []uintptr{0, 2, 2, theirs.Fd()},
		Sys:   &syscall.SysProcAttr{Cloneflags: nodeNamespaces, Setsid: true},
	})
	if err != nil {
		link.conn.Close()
		return err
	}
	r := newNodeRun(pid, link)
	first := h.began(s, r)
	go h.watch(s, r, ended)
	go h.listen(r)
	if err := plugIn(n, pid); err != nil {
		return err
	}
	return h.instruct(s, r, first)
}

// began notes that a node is on, and tells whether it is for the first time.
func (h *host) began(s *slot, r *nodeRun) (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first = s.run == nil
	s.run = r
	return first
}

// instruct gives a node the orders that it begins with: its setup, and to join
// if that is allowed. What changes after they were put together, it is told
// after them.
func (h *host) instruct(s *slot, r *nodeRun, first bool) error {
	h.mu.Lock()
	setup := h.setup(s, first)
	orders := []order{{Setup: &setup}}
	if h.open {
		orders = append(orders, order{Go: true})
	}
	r.told = true
	r.link.mu.Lock() // before anybody sees that it is told
	h.mu.Unlock()
	defer r.link.mu.Unlock()
	for _, o := range orders {
		if err := r.link.write(o); err != nil {
			return err
		}
	}
	return nil
}

// setup is what a node must know. The caller holds h.mu.
func (h *host) setup(s *slot, first bool) nodeSetup {
	setup := nodeSetup{
		Node:        s.node,
		Peers:       h.peers(),
		Groups:      h.groups,
		SysResource: h.cfg.SysResource,
		PKI:         maps.Clone(h.cfg.PKI.of(s.node)), // more are issued while it is sent
		Store:       h.cfg.Store,
		Prepared:    h.cfg.Prepared != "",
		APIServer:   h.cfg.apiServer(),
		Settings:    h.cfg.Settings,
		VolumeSpace: s.space,
	}
	if h.cfg.SaveTemp != "" && first {
		setup.SaveTo, setup.SaveTemp = filepath.Base(h.cfg.SaveTo), filepath.Base(h.cfg.SaveTemp)
	}
	return setup
}

// watch notes that a node's PID 1 has ended, and says so when nobody asked for
// it.
func (h *host) watch(s *slot, r *nodeRun, ended <-chan syscall.WaitStatus) {
	status := <-ended
	r.how = describeStatus(status)
	close(r.ended)
	r.link.conn.Close()
	if !r.expected.Load() {
		h.events.send(event{Node: s.node.Name, What: whatFailed, Status: "the node's init " + r.how})
	}
}

// listen passes a node's events on. When a control plane says that nodes may
// join, they are told to.
func (h *host) listen(r *nodeRun) {
	events := json.NewDecoder(r.link.conn)
	for {
		var e event
		if err := events.Decode(&e); err != nil {
			return // the node's end is reported where its status is collected
		}
		e.Node = r.link.name
		h.events.send(e)
		r.note(e)
		switch e.What {
		case whatDNS:
			giveBack() // the node is up: there is little left to do for it
		case whatOpen:
			h.letJoin()
		}
	}
}

// letJoin tells every node that it may join, and those that are started later.
func (h *host) letJoin() {
	h.mu.Lock()
	h.open = true
	h.mu.Unlock()
	h.tell(order{Go: true})
}

// tell gives an order to every node that is on and has its setup. The others
// find in theirs what the order says.
func (h *host) tell(o order) {
	h.mu.Lock()
	runs := make([]*nodeRun, 0, len(h.slots))
	for _, s := range h.slots {
		if s.run.on() && s.run.told {
			runs = append(runs, s.run)
		}
	}
	h.mu.Unlock()
	for _, r := range runs {
		if err := r.link.order(o); err != nil && !r.expected.Load() {
			h.events.send(event{Node: r.link.name, What: whatFailed, Status: "does not take orders: " + err.Error()})
		}
	}
}

// peers are the nodes of the cluster. The caller holds h.mu.
func (h *host) peers() []nodeConfig {
	all := make([]nodeConfig, len(h.slots))
	for i, s := range h.slots {
		all[i] = s.node
	}
	return all
}

//go:build linux

package embedded

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// slot is a node's place in the cluster, whether the node is on or off.
type slot struct {
	node nodeConfig
	// turn holds a value while something is done to the node: one thing at a
	// time.
	turn chan struct{}

	// space is how many bytes the node's volumes may have together. Set before
	// the node is first switched on.
	space int64

	// host.mu guards what follows.
	run    *nodeRun // the last one; nil before the first
	paused bool
	cut    bool // its link is down

	// halted are processes that stood still before the node was paused, and
	// shall after. Used by who has the turn.
	halted map[int]bool
}

func newSlot(n nodeConfig) *slot { return &slot{node: n, turn: make(chan struct{}, 1)} }

// nodeRun is one life of a node, from switching it on to its end.
type nodeRun struct {
	pid  int
	link *nodeLink
	// expected says that the node's end was asked for.
	expected atomic.Bool

	ended chan struct{} // closed when PID 1 has ended
	how   string        // how it ended; set before ended is closed

	once    sync.Once
	started chan struct{} // closed when the node has started its programs, or given up
	trouble string        // why it has given up; set before started is closed
	over    sync.Once
	stopped chan struct{} // closed when an orderly stop is done

	// told says that the node has its setup, or that it is the next thing to be
	// written to its socket. host.mu guards it.
	told bool
}

func newNodeRun(pid int, link *nodeLink) *nodeRun {
	return &nodeRun{pid: pid, link: link,
		ended: make(chan struct{}), started: make(chan struct{}), stopped: make(chan struct{})}
}

// on tells whether the node's PID 1 lives.
func (r *nodeRun) on() bool {
	if r == nil {
		return false
	}
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// note learns from an event of the node. One goroutine calls it.
func (r *nodeRun) note(e event) {
	switch e.What {
	case whatStarted:
		r.once.Do(func() { close(r.started) })
	case whatFailed:
		r.once.Do(func() {
			r.trouble = e.Status
			close(r.started)
		})
	case whatStopped:
		r.over.Do(func() { close(r.stopped) })
	}
}

// nodeLink is the supervisor's end of the socket to a node.
type nodeLink struct {
	name string
	conn net.Conn

	mu     sync.Mutex // guards orders
	orders *json.Encoder
}

// orderDeadline bounds the writing of an order. Orders are small: a node that is
// paused finds them in its socket when it goes on.
const orderDeadline = 2 * time.Second

// order tells the node something.
func (l *nodeLink) order(o order) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(o)
}

// write is order for who holds l.mu.
func (l *nodeLink) write(o order) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(orderDeadline)); err != nil {
		return fmt.Errorf("giving node %s an order: %w", l.name, err)
	}
	if err := l.orders.Encode(o); err != nil {
		return fmt.Errorf("giving node %s an order: %w", l.name, err)
	}
	return nil
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

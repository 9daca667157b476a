//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"squall/cluster"
)

// The supervisor is told what to do to nodes through a unix socket in the
// cluster's state folder. The janitor makes it on the host and the supervisor
// inherits it, as it does the API's address: one connection carries one command
// and its answer. What was begun is carried through, whatever becomes of the
// client.
const controlSocket = "control.sock"

// What a command can ask for besides the actions of [cluster.NodeActions].
const (
	doAdd    = "add"
	doRemove = "remove"
	doStates = "states"
)

// command asks the supervisor for something.
type command struct {
	Do   string
	Node string `json:",omitempty"`
}

// answer is what became of it.
type answer struct {
	// Error says why it failed, Kind what sort of failure that is: the text of
	// the error of package cluster that it wraps, if any.
	Error string `json:",omitempty"`
	Kind  string `json:",omitempty"`

	Node   cluster.Node        `json:",omitzero"`
	States []cluster.NodeState `json:",omitempty"`
}

// kinds are the errors that keep what they are on their way to the client.
func kinds() []error { return []error{cluster.ErrNoNode, cluster.ErrUnsupported, cluster.ErrHost} }

// refused is an error of the supervisor's, as the client sees it.
type refused struct {
	kind error // nil when it is none of [kinds]
	text string
}

func (r refused) Error() string { return r.text }
func (r refused) Unwrap() error { return r.kind }

// failed is the answer that carries an error.
func failed(err error) answer {
	a := answer{Error: err.Error()}
	for _, kind := range kinds() {
		if errors.Is(err, kind) {
			a.Kind = kind.Error()
		}
	}
	return a
}

// err is the error that an answer carries, nil when it carries none.
func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	r := refused{text: a.Error}
	for _, kind := range kinds() {
		if a.Kind == kind.Error() {
			r.kind = kind
		}
	}
	return r
}

// Deadlines of the socket. A stop takes longest: what runs on the node has its
// grace, then the control plane, then the kernel ends the rest.
const (
	talkDeadline   = 5 * time.Second // to write or read a command or an answer
	actionDeadline = cluster.StopGrace + 45*time.Second
	// maxCommand bounds what the supervisor reads of a command.
	maxCommand = 4096
)

// openControl makes the socket. Only root reaches it: the state folder is its.
func openControl(folder string) (*os.File, error) {
	path := filepath.Join(folder, controlSocket)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, fmt.Errorf("opening the cluster's control socket: %w", err)
	}
	// This descriptor closes once the supervisor has its own, so that nobody
	// waits for a supervisor that is dead; the path goes with the folder.
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("opening the cluster's control socket: %w", err)
	}
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("opening the cluster's control socket: %w", err)
	}
	return f, nil
}

// ask sends the supervisor a command and waits for its answer.
func (h *handle) ask(ctx context.Context, c command) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, talkDeadline+actionDeadline,
		fmt.Errorf("the supervisor has not answered within %s", talkDeadline+actionDeadline))
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(h.folder, controlSocket))
	if err != nil {
		return answer{}, fmt.Errorf("the cluster's supervisor does not listen, the cluster may be gone: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var a answer
	if err = json.NewEncoder(conn).Encode(c); err == nil {
		err = json.NewDecoder(conn).Decode(&a)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return answer{}, context.Cause(ctx)
	case err != nil:
		return answer{}, fmt.Errorf("the cluster's supervisor has gone without an answer: %w", err)
	}
	return a, a.err()
}

// serveControl answers commands for as long as the supervisor lives.
func (h *host) serveControl(l net.Listener) {
	acceptAll(l, func(conn net.Conn) {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(talkDeadline))
		var c command
		if err := json.NewDecoder(io.LimitReader(conn, maxCommand)).Decode(&c); err != nil {
			return // who asks nothing gets no answer
		}
		ctx, cancel := context.WithTimeoutCause(context.Background(), actionDeadline, fmt.Errorf("not done within %s", actionDeadline))
		defer cancel()
		a := h.do(ctx, c)
		_ = conn.SetDeadline(time.Now().Add(talkDeadline))
		_ = json.NewEncoder(conn).Encode(a) // the client may be gone; it is done all the same
	})
}

// do carries a command out.
func (h *host) do(ctx context.Context, c command) answer {
	var err error
	var a answer
	switch c.Do {
	case doStates:
		a.States = h.states()
	case doAdd:
		a.Node, err = h.add(ctx)
	case doRemove:
		err = h.withNode(ctx, c.Node, func(s *slot) error { return h.remove(ctx, s) })
	default:
		err = h.withNode(ctx, c.Node, func(s *slot) error { return h.act(ctx, s, cluster.NodeAction(c.Do)) })
	}
	if err != nil {
		return failed(err)
	}
	return a
}

// The pauses after which a listener that fails is tried again.
const (
	firstAccept = 5 * time.Millisecond
	lastAccept  = time.Second
)

// acceptAll serves each connection in a goroutine of its own until the listener
// is closed. Whatever else goes wrong passes: most often there are no file
// descriptors for a while.
func acceptAll(l net.Listener, serve func(net.Conn)) {
	pause := firstAccept
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(pause) // nothing announces that descriptors are free again
			pause = min(2*pause, lastAccept)
			continue
		}
		pause = firstAccept
		go serve(c)
	}
}

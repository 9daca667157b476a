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
	"time"

	"squall/cluster"
)

// lifeline is the supervisor's end of its socket to the janitor. When the
// janitor ends it closes, and the supervisor ends, too. Over it the janitor, who
// keeps the cluster's state file, hears which nodes there are: one list a line,
// each answered by one line once everybody can read it.
type lifeline struct {
	conn        net.Conn
	acks        chan struct{}
	sent, acked int // lists; used by one caller at a time
	ended       chan struct{}
}

// maxUnheard bounds the answers that wait for somebody who has given up.
const maxUnheard = 64

// lifeDeadline bounds the janitor's rewriting of a small file.
const lifeDeadline = 10 * time.Second

func newLifeline(f *os.File) (*lifeline, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("taking over the socket to the janitor: %w", err)
	}
	l := &lifeline{conn: conn, acks: make(chan struct{}, maxUnheard), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		line := make([]byte, 1)
		for {
			if _, err := io.ReadFull(conn, line); err != nil {
				return
			}
			select {
			case l.acks <- struct{}{}:
			default:
			}
		}
	}()
	return l, nil
}

// wait returns when the janitor has ended.
func (l *lifeline) wait() { <-l.ended }

// report tells the janitor which nodes there are and waits until it has told the
// world. One caller at a time.
func (l *lifeline) report(ctx context.Context, nodes []cluster.Node) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lifeDeadline, fmt.Errorf("the janitor does not answer within %s", lifeDeadline))
	defer cancel()
	if err := json.NewEncoder(l.conn).Encode(nodes); err != nil {
		return fmt.Errorf("telling the janitor of the nodes: %w", err)
	}
	for l.sent++; l.acked < l.sent; {
		select {
		case <-l.acks:
			l.acked++
		case <-l.ended:
			return errors.New("telling the janitor of the nodes: it is gone")
		case <-ctx.Done():
			return fmt.Errorf("telling the janitor of the nodes: %w", context.Cause(ctx))
		}
	}
	return nil
}

// nodeChange is what the janitor hears over the lifeline.
type nodeChange struct {
	nodes []cluster.Node
	done  func() // says that it is known
}

// hearNodes passes on what the supervisor says about the nodes. It owns the
// janitor's end and closes it when the supervisor has gone, not before.
func hearNodes(end *os.File) <-chan nodeChange {
	changes := make(chan nodeChange)
	go func() {
		defer end.Close()
		lists := json.NewDecoder(end)
		for {
			var nodes []cluster.Node
			if lists.Decode(&nodes) != nil {
				return // it is gone, which the janitor sees where it waits for it
			}
			changes <- nodeChange{nodes: nodes, done: func() { _, _ = end.Write([]byte("\n")) }}
		}
	}()
	return changes
}

// describeNode is what the world is told about a node.
func describeNode(n nodeConfig) cluster.Node {
	return cluster.Node{Name: n.Name, Address: n.address(), ControlPlane: n.ControlPlane}
}

func describeNodes(all []nodeConfig) []cluster.Node {
	known := make([]cluster.Node, len(all))
	for i, n := range all {
		known[i] = describeNode(n)
	}
	return known
}

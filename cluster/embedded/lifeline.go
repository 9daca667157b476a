//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"squall/cluster"
)

// lifeline is the supervisor's end of its socket to the janitor. When the
// janitor ends it closes, and the supervisor ends, too. Over it the janitor, who
// keeps the cluster's state file, hears which nodes there are: one list a line,
// each answered by one line once everybody can read it, or cannot.
type lifeline struct {
	conn    net.Conn
	answers chan listAnswer
	sent    int // lists; used by one caller at a time
	ended   chan struct{}
}

// nodeList is what the supervisor says over a lifeline.
type nodeList struct {
	Number int
	Nodes  []cluster.Node
}

// listAnswer is what the janitor says to the list of that number.
type listAnswer struct {
	Number int
	Error  string `json:",omitempty"` // why the world does not know of it
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
	l := &lifeline{conn: conn, answers: make(chan listAnswer, maxUnheard), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		answers := json.NewDecoder(conn)
		for {
			var a listAnswer
			if answers.Decode(&a) != nil {
				return
			}
			select {
			case l.answers <- a:
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
	l.sent++
	if err := json.NewEncoder(l.conn).Encode(nodeList{Number: l.sent, Nodes: nodes}); err != nil {
		return fmt.Errorf("telling the janitor of the nodes: %w", err)
	}
	for {
		select {
		case a := <-l.answers:
			switch {
			case a.Number != l.sent: // to a list whose answer came too late
			case a.Error != "":
				return fmt.Errorf("telling the world of the nodes: %s", a.Error)
			default:
				return nil
			}
		case <-l.ended:
			return errors.New("telling the janitor of the nodes: it is gone")
		case <-ctx.Done():
			return fmt.Errorf("telling the janitor of the nodes: %w", context.Cause(ctx))
		}
	}
}

// nodeChange is what the janitor hears over the lifeline.
type nodeChange struct {
	nodes []cluster.Node
	done  func(error) // says that it is known, or why not
}

// hearNodes passes on what the supervisor says about the nodes. It owns the
// janitor's end and closes it when the supervisor has gone, not before.
func hearNodes(end *os.File) <-chan nodeChange {
	changes := make(chan nodeChange)
	go func() {
		defer end.Close()
		lists := json.NewDecoder(end)
		for {
			var list nodeList
			if lists.Decode(&list) != nil {
				return // it is gone, which the janitor sees where it waits for it
			}
			changes <- nodeChange{nodes: list.Nodes, done: func(err error) {
				a := listAnswer{Number: list.Number}
				if err != nil {
					a.Error = err.Error()
				}
				_ = json.NewEncoder(end).Encode(a) // who asked may be gone
			}}
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

package run

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// door is a way to the API that can be shut: connections break, new ones are
// refused.
type door struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	isShut bool
	conns  []net.Conn
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &door{listener: listener, to: to}
	t.Cleanup(func() { listener.Close(); d.shut() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go d.pass(in)
		}
	}()
	return d
}

func (d *door) pass(in net.Conn) {
	d.mu.Lock()
	out, err := net.Dial("tcp", d.to)
	if d.isShut || err != nil {
		d.mu.Unlock()
		in.Close()
		return
	}
	d.conns = append(d.conns, in, out)
	d.mu.Unlock()
	go func() { _, _ = io.Copy(out, in); out.Close() }()
	_, _ = io.Copy(in, out)
	in.Close()
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = true
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = false
}

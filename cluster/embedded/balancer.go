//go:build linux

package embedded

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// balancer is the load balancer in front of a cluster's API servers, which
// stands outside the nodes, as a highly available cluster has one. It also
// serves the API's address on the host's loopback.
//
// A server that fails its checks gets no new connections, and those that it has
// are closed, so that the clients of a node that is silently off learn of it
// within seconds and not after their own 45 s.
type balancer struct {
	client *http.Client

	mu      sync.Mutex
	servers []*apiBackend
	next    int
}

// apiBackend is one API server. The balancer's lock guards it.
type apiBackend struct {
	address string                // host:port
	failed  int                   // checks failed in a row
	ready   bool                  // the last check was good
	down    bool                  // it was ready and is not any more
	open    map[net.Conn]net.Conn // its connections: client's end to its own
}

const (
	checkInterval = 500 * time.Millisecond
	checkTimeout  = time.Second
	// checkFailures is how many checks in a row make a server count as down: as
	// haproxy's "fall", whose default is 3, but closer.
	checkFailures = 2
	// dialPatience bounds how long a connection waits for a server to be there.
	dialPatience = 30 * time.Second
)

// newBalancer returns a balancer for the API servers of a cluster.
func newBalancer(cfg config) *balancer {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cfg.PKI["ca"].Cert)
	b := &balancer{client: &http.Client{
		Timeout:   checkTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
	}}
	for _, n := range controlPlanes(cfg.Nodes) {
		b.servers = append(b.servers, &apiBackend{
			address: net.JoinHostPort(n.address(), strconv.Itoa(apiPort)),
			open:    map[net.Conn]net.Conn{},
		})
	}
	return b
}

// balance serves the API's address on the host's loopback and, where there are
// several API servers, on the bridge.
func (h *host) balance(loopback net.Listener) error {
	b := newBalancer(h.cfg)
	go b.serve(loopback)
	if len(b.servers) > 1 {
		inside, err := net.Listen("tcp4", net.JoinHostPort(bridgeAddress, strconv.Itoa(apiPort)))
		if err != nil {
			return fmt.Errorf("opening the API's address on the bridge: %w", err)
		}
		go b.serve(inside)
	}
	b.watch()
	return nil
}

// serve passes connections on for as long as the listener lives.
func (b *balancer) serve(l net.Listener) { acceptAll(l, b.pass) }

// watch checks every server for ever. With one server there is nothing to
// choose, and nothing is checked.
func (b *balancer) watch() {
	if len(b.servers) < 2 {
		return
	}
	for _, s := range b.servers {
		go func() {
			for range time.Tick(checkInterval) {
				b.note(s, b.answers(s.address))
			}
		}()
	}
}

// answers asks an API server whether it is ready.
func (b *balancer) answers(address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := b.client.Do(r)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// note takes the outcome of a check. The connections of a server that was ready
// and is down are closed.
func (b *balancer) note(s *apiBackend, good bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if good {
		s.failed, s.ready, s.down = 0, true, false
		return
	}
	if s.failed++; s.failed < checkFailures || !s.ready {
		return
	}
	s.ready, s.down = false, true
	for c, d := range s.open {
		c.Close()
		d.Close()
	}
}

// choose returns the servers in the order in which to try them: those that are
// ready by turns, then those that may be about to be.
func (b *balancer) choose() []*apiBackend {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ready, others []*apiBackend
	for i := range b.servers {
		s := b.servers[(b.next+i)%len(b.servers)]
		switch {
		case s.ready:
			ready = append(ready, s)
		case !s.down:
			others = append(others, s)
		}
	}
	b.next++
	return append(ready, others...)
}

// pass copies between a client and a server until either ends.
func (b *balancer) pass(c net.Conn) {
	defer c.Close()
	s, d := b.dial()
	if d == nil {
		return
	}
	defer d.Close()
	if !b.keep(s, c, d) {
		return
	}
	defer b.drop(s, c)
	go func() {
		_, _ = io.Copy(d, c)
		_ = d.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, d)
}

// dial connects to the first server that takes the connection, and waits when
// none does.
func (b *balancer) dial() (*apiBackend, net.Conn) {
	deadline := time.Now().Add(dialPatience)
	for time.Now().Before(deadline) {
		for _, s := range b.choose() {
			if d, err := net.DialTimeout("tcp4", s.address, checkTimeout); err == nil {
				return s, d
			}
		}
		time.Sleep(checkInterval / 10) // nothing announces a listener
	}
	return nil, nil
}

// keep remembers a connection; false when its server has gone down since it was
// chosen.
func (b *balancer) keep(s *apiBackend, client, server net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !s.down {
		s.open[client] = server
	}
	return !s.down
}

func (b *balancer) drop(s *apiBackend, client net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(s.open, client)
}

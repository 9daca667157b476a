//go:build linux

package embedded

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apiStub is an API server as a balancer sees one: TLS with the cluster's
// certificate, and an answer to /readyz.
func apiStub(t *testing.T, k pki, name string) (address string, ready *atomic.Bool) {
	t.Helper()
	ready = &atomic.Bool{}
	ready.Store(true)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && !ready.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, name)
	}))
	cert, err := tls.X509KeyPair(k["apiserver"].Cert, k["apiserver"].Key)
	require.NoError(t, err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), ready
}

func TestBalancerLeavesAServerThatIsDown(t *testing.T) {
	k, err := newPKI(time.Now())
	require.NoError(t, err)
	b := newBalancer(config{PKI: k})
	first, firstReady := apiStub(t, k, "first")
	second, _ := apiStub(t, k, "second")
	for _, address := range []string{first, second} {
		b.servers = append(b.servers, &apiBackend{address: address, open: map[net.Conn]net.Conn{}})
	}
	for _, s := range b.servers {
		b.note(s, b.answers(s.address))
		require.True(t, s.ready, "the check of a server that is ready")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go b.serve(l)

	// By turns while both are ready; the first gets a connection that stays.
	kept := ask(t, b, l.Addr().String(), "first")
	ask(t, b, l.Addr().String(), "second")

	firstReady.Store(false)
	for range checkFailures {
		assert.Equal(t, "first", alive(kept), "a single failed check must not end connections")
		b.note(b.servers[0], b.answers(first))
	}
	assert.Empty(t, alive(kept), "the connections of a server that is down are closed")
	ask(t, b, l.Addr().String(), "second")
	ask(t, b, l.Addr().String(), "second")

	firstReady.Store(true)
	b.note(b.servers[0], b.answers(first))
	ask(t, b, l.Addr().String(), "first")
}

// ask asks over a new connection who answers, by turns until it is who is
// wanted, and returns that connection.
func ask(t *testing.T, b *balancer, address, want string) *tls.Conn {
	t.Helper()
	var got string
	for range len(b.servers) {
		c, err := tls.Dial("tcp4", address, &tls.Config{RootCAs: b.client.Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "127.0.0.1"})
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		if got = alive(c); got == want {
			return c
		}
	}
	require.Equal(t, want, got)
	return nil
}

// alive asks over a connection who answers; empty when nobody does.
func alive(c *tls.Conn) string {
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: api\r\n\r\n"); err != nil {
		return ""
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

package traffic

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// nameserver answers every question for an IPv4 address with the one it was
// last given, and notes the names that were asked for.
type nameserver struct {
	conn net.PacketConn

	mu      sync.Mutex
	address [4]byte
	asked   []string
}

// newNameserver starts one on loopback.
func newNameserver(t *testing.T, address [4]byte) *nameserver {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	s := &nameserver{conn: conn, address: address}
	var serving sync.WaitGroup
	serving.Go(s.serve)
	t.Cleanup(func() {
		assert.NoError(t, conn.Close())
		serving.Wait()
	})
	return s
}

// point changes the answer.
func (s *nameserver) point(address [4]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = address
}

// names are what was asked for so far.
func (s *nameserver) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *nameserver) serve() {
	packet := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(packet[:n]) != nil || len(message.Questions) == 0 {
			continue
		}
		s.mu.Lock()
		message.Response, message.RecursionAvailable, message.Additionals = true, true, nil
		q := message.Questions[0]
		s.asked = append(s.asked, q.Name.String())
		if q.Type == dnsmessage.TypeA {
			message.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 3600},
				Body:   &dnsmessage.AResource{A: s.address},
			}}
		}
		s.mu.Unlock()
		if answer, err := message.Pack(); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

// serveAt runs a server that says who it is, until the function returned is
// called.
func serveAt(t *testing.T, address, name string) (port string, end func()) {
	t.Helper()
	listener, err := net.Listen("tcp4", address)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Instance", name)
		_, _ = io.WriteString(w, "ok")
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), func() {
		_ = server.Close()
		serving.Wait()
	}
}

func TestNewConnectionsAskForTheAddressAgain(t *testing.T) {
	dns := newNameserver(t, [4]byte{127, 0, 0, 1})
	port, endFirst := serveAt(t, "127.0.0.1:0", "first")
	_, endSecond := serveAt(t, "127.0.0.2:"+port, "second")
	defer endSecond()
	g := start(t, Spec{
		Name: "browse", URL: "http://gateway.shop.svc.cluster.local:" + port, Rate: 100, Until: time.Second,
		Nameserver: dns.conn.LocalAddr().String(),
	})
	time.Sleep(500 * time.Millisecond)
	dns.point([4]byte{127, 0, 0, 2})
	endFirst()
	o := g.end()
	by := map[string]int{}
	for _, r := range o.results {
		by[r.Instance]++
	}
	assert.Greater(t, by["first"], 30)
	assert.Greater(t, by["second"], 30, "the new address is used: %v", reasons(o.results))
	for _, name := range dns.names() {
		assert.Equal(t, "gateway.shop.svc.cluster.local.", name, "no search suffix")
	}
}

func TestNameserverThatDoesNotAnswer(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	o := start(t, Spec{
		Name: "browse", URL: "http://gateway.shop.svc.cluster.local:80", Rate: 10, Until: 200 * time.Millisecond,
		Nameserver: silent.LocalAddr().String(),
	}).end()
	require.Len(t, o.results, 2)
	for _, r := range o.results {
		assert.True(t, strings.HasPrefix(r.Error, "name not resolved"), r.Error)
		assert.Less(t, r.Done-r.Sent, lookupLimit+500*time.Millisecond)
	}
}

package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"squall/workloads/sample"
)

// headerSeq is how vegeta tells the number of a request.
const headerSeq = "X-Vegeta-Seq"

// maxBody is how much of an answer is read, in bytes; a longer one is an error.
const maxBody = 1 << 20

var (
	// errSkipped is what vegeta gets for a request that was not sent.
	errSkipped = errors.New("skipped")
	// errInterrupted is the cause of cutting off what is in flight.
	errInterrupted = errors.New(Interrupted)
	// errLarge is the failure of an answer that is longer than maxBody.
	errLarge = fmt.Errorf("answer longer than %d bytes", maxBody)
)

// flight is what the transport knows of a request and vegeta cannot tell.
type flight struct {
	sent    time.Duration
	skipped bool
	failure string
	// beginning is that of the answer's body, where its class hangs on it.
	beginning []byte
}

// transport is the RoundTripper under vegeta's client: it notes when a request
// leaves, skips it when too many wait, bounds it in time and keeps the reason
// when it fails.
type transport struct {
	base     http.RoundTripper
	spec     Spec
	times    timetable
	mix      mix
	clock    clock
	flights  context.Context // ends when what is in flight must be cut off
	inFlight atomic.Int64
	answers  sample.Shared // of the goroutine that takes the results

	mu    sync.Mutex
	known map[uint64]*flight
}

// newTransport returns the transport of a load. Flights is the context of all
// its requests.
func newTransport(flights context.Context, spec Spec, c clock) *transport {
	requests, err := newMix(spec)
	if err != nil {
		panic(fmt.Sprintf("traffic: a load that was checked has a bad target: %v", err))
	}
	secure, err := spec.TLS.config()
	if err != nil {
		panic(fmt.Sprintf("traffic: a load that was checked has bad certificates: %v", err))
	}
	return &transport{
		base: newConnections(spec.Nameserver, secure), spec: spec, times: spec.timetable(), mix: requests, clock: c, flights: flights,
		known: map[uint64]*flight{},
	}
}

// RoundTrip implements http.RoundTripper. The request belongs to vegeta's hit
// alone, so it may be changed.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(r.Header.Get(headerSeq), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("request without a number: %w", err)
	}
	f := t.open(seq)
	if f.skipped {
		return nil, errSkipped
	}
	r.Header.Del(headerSeq)
	r.Header.Del("X-Vegeta-Attack")
	ctx, cancel := context.WithTimeout(t.flights, t.spec.Timeout)
	r = r.WithContext(ctx)
	to := t.mix.of(seq)
	to.fill(r, seq)
	r.Header.Set("X-Request-Id", t.spec.Name+"-"+strconv.FormatUint(seq, 10))
	answer, err := t.base.RoundTrip(r)
	if err != nil {
		f.failure = reason(ctx, err)
		cancel()
		return nil, err
	}
	answer.Body = &body{ReadCloser: answer.Body, ctx: ctx, cancel: cancel, flight: f, left: maxBody, kept: to.classes.looksInside()}
	return answer, nil
}

// open notes that a request is due to leave now, or that it is skipped.
func (t *transport) open(seq uint64) *flight {
	f := &flight{sent: t.clock.now()}
	if t.inFlight.Add(1) > int64(t.spec.MaxInFlight) {
		t.inFlight.Add(-1)
		f.sent, f.skipped = 0, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[seq] = f
	return f
}

// close takes back what is known of a request that has ended.
func (t *transport) close(seq uint64) (*flight, bool) {
	t.mu.Lock()
	f, ok := t.known[seq]
	delete(t.known, seq)
	t.mu.Unlock()
	if ok && !f.skipped {
		t.inFlight.Add(-1)
	}
	return f, ok
}

// body is the body of an answer: bounded, and with the reason kept when it
// breaks off.
type body struct {
	io.ReadCloser
	ctx    context.Context // of the request, to tell why it broke off
	cancel context.CancelFunc
	flight *flight
	left   int
	kept   bool // its beginning is
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		err = errLarge
	}
	if room := ClassBody - len(b.flight.beginning); b.kept && room > 0 {
		b.flight.beginning = append(b.flight.beginning, p[:min(n, room)]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.flight.failure = reason(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// unrepeatable is an empty body that cannot be sent twice. With it net/http
// does not silently repeat a request whose connection broke: a user whose
// request was lost must be counted as one.
type unrepeatable struct{}

// Read implements io.Reader.
func (unrepeatable) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (unrepeatable) Close() error { return nil }

// withoutBody says whether net/http repeats requests of that method.
func withoutBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// repeatable says whether net/http repeats a request without a body because of
// its headers.
func repeatable(h http.Header) bool {
	return h["Idempotency-Key"] != nil || h["X-Idempotency-Key"] != nil
}

// reason says in a few words why a request failed, the same words for the same
// cause, so that results can be counted by it.
func reason(ctx context.Context, err error) string {
	var lookup *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(context.Cause(ctx), errInterrupted):
		return Interrupted
	case ownHost(err) != "":
		return ownHost(err)
	case errors.As(err, &lookup):
		return "name not resolved: " + lookup.Err
	case secureReason(err) != "":
		return secureReason(err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "host unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case ctx.Err() != nil:
		return "timeout"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "connect timeout"
	}
	return strings.TrimPrefix(err.Error(), "net/http: ")
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buffer is a log that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// handler is a role's handler and its log.
func handler(t *testing.T, draining bool, args ...string) (http.Handler, *buffer) {
	t.Helper()
	s, err := parse(args, func(key string) string {
		return map[string]string{"INSTANCE": args[0] + "-0", "SHOP_VERSION": "v1"}[key]
	})
	require.NoError(t, err)
	var state atomic.Bool
	state.Store(draining)
	out := new(buffer)
	h, err := newHandler(s, &state, slog.New(slog.NewJSONHandler(out, nil)))
	require.NoError(t, err)
	return h, out
}

// get asks a handler.
func get(h http.Handler, path, id string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set(headerRequestID, id)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// text reads an answer.
func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return string(body)
}

func TestCatalog(t *testing.T) {
	h, _ := handler(t, false, "catalog")
	answer := get(h, "/catalog", "browse-7")
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	assert.Equal(t, "catalog-0", answer.Header.Get(headerInstance))
	assert.Equal(t, "v1", answer.Header.Get(headerVersion))
	assert.Equal(t, "browse-7", answer.Header.Get(headerRequestID))
	var list struct{ Items []item }
	require.NoError(t, json.Unmarshal([]byte(text(t, answer)), &list))
	assert.Len(t, list.Items, 8)
	assert.Equal(t, http.StatusNotFound, get(h, "/elsewhere", "").StatusCode)
	assert.NotEqual(t, "a b", get(h, "/catalog", "a b").Header.Get(headerRequestID), "a harmful id is replaced")
}

func TestGatewayPassesOnWithItsOwnIdentity(t *testing.T) {
	catalog, _ := handler(t, false, "catalog")
	upstream := httptest.NewServer(catalog)
	defer upstream.Close()
	h, _ := handler(t, false, "gateway", "-catalog", upstream.URL)
	answer := get(h, "/catalog", "browse-7")
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "gateway-0", answer.Header.Get(headerInstance))
	assert.Equal(t, "catalog-0", answer.Header.Get(headerUpstreamInstance))
	assert.Equal(t, text(t, get(catalog, "/catalog", "")), text(t, answer))
}

func TestGatewayWithoutAWorkingCatalog(t *testing.T) {
	var asked atomic.Int64
	hang := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get(headerRequestID) {
		case "hang":
			<-hang
		case "broken":
			if asked.Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
		case "half":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
		case "large":
			_, _ = w.Write(make([]byte, maxBody+1))
		case "busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer upstream.Close()
	defer close(hang)
	h, log := handler(t, false, "gateway", "-catalog", upstream.URL)
	assert.Equal(t, http.StatusOK, get(h, "/catalog", "broken").StatusCode)
	assert.Equal(t, http.StatusBadGateway, get(h, "/catalog", "broken").StatusCode)
	assert.Equal(t, int64(2), asked.Load(), "a request whose connection broke is not repeated")
	assert.Equal(t, http.StatusBadGateway, get(h, "/catalog", "half").StatusCode)
	assert.Equal(t, http.StatusBadGateway, get(h, "/catalog", "large").StatusCode)
	assert.Equal(t, http.StatusServiceUnavailable, get(h, "/catalog", "busy").StatusCode)
	start := time.Now()
	assert.Equal(t, http.StatusGatewayTimeout, get(h, "/catalog", "hang").StatusCode)
	assert.InDelta(t, upstreamTimeout, time.Since(start), float64(time.Second))
	assert.Equal(t, http.StatusOK, get(h, "/readyz", "").StatusCode, "ready whatever the catalog does")
	assert.Contains(t, log.String(), `"id":"hang"`)

	metrics := text(t, get(h, "/metrics", ""))
	for _, want := range []string{
		`shop_requests_total{code="502",route="GET /catalog",service="gateway"} 3`,
		`shop_requests_total{code="504",route="GET /catalog",service="gateway"} 1`,
		`shop_request_duration_seconds_count{route="GET /catalog",service="gateway"} 6`,
		`shop_requests_in_flight{service="gateway"} 1`,
	} {
		assert.Contains(t, metrics, want)
	}
}

func TestGatewayAnswersWithLessThanTheCatalog(t *testing.T) {
	goods, _ := handler(t, false, "catalog")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get(headerRequestID) {
		case "broken":
			panic(http.ErrAbortHandler)
		case "busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "wrong":
			w.WriteHeader(http.StatusBadRequest)
		default:
			goods.ServeHTTP(w, r)
		}
	}))
	defer upstream.Close()
	h, log := handler(t, false, "gateway", "-catalog", upstream.URL, "-fallback")
	for _, id := range []string{"broken", "busy"} {
		answer := get(h, "/catalog", id)
		assert.Equal(t, http.StatusOK, answer.StatusCode, id)
		assert.Equal(t, "true", answer.Header.Get(headerDegraded), id)
		assert.Empty(t, answer.Header.Get(headerUpstreamInstance), id)
		var list struct{ Items []item }
		require.NoError(t, json.Unmarshal([]byte(text(t, answer)), &list))
		assert.Len(t, list.Items, 2)
		assert.Contains(t, log.String(), `"id":"`+id+`"`)
	}
	whole := get(h, "/catalog", "fine")
	assert.Equal(t, http.StatusOK, whole.StatusCode)
	assert.Empty(t, whole.Header.Get(headerDegraded))
	assert.Equal(t, "catalog-0", whole.Header.Get(headerUpstreamInstance))
	assert.Equal(t, http.StatusBadRequest, get(h, "/catalog", "wrong").StatusCode, "that is an answer")
}

func TestDrainingIsVisible(t *testing.T) {
	h, _ := handler(t, true, "catalog")
	assert.Equal(t, http.StatusServiceUnavailable, get(h, "/readyz", "").StatusCode)
	assert.Equal(t, http.StatusOK, get(h, "/livez", "").StatusCode)
	assert.Equal(t, http.StatusOK, get(h, "/catalog", "").StatusCode)
	assert.Equal(t, "close", get(h, "/catalog", "").Header.Get("Connection"))
}

// running is a whole process's work, on a port of loopback.
type running struct {
	url  string
	stop context.CancelFunc
	done chan error
}

// serving starts a server whose catalog takes a while to answer.
func serving(t *testing.T, args ...string) running {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(600 * time.Millisecond) }))
	t.Cleanup(upstream.Close)
	s, err := parse(append([]string{"gateway", "-catalog", upstream.URL}, args...), func(string) string { return "x" })
	require.NoError(t, err)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	p := running{url: "http://" + listener.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() { p.done <- serve(ctx, s, listener, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(cancel)
	return p
}

func TestDrainLosesNothing(t *testing.T) {
	p := serving(t, "-drain-delay", "500ms")
	client := &http.Client{Timeout: 5 * time.Second}
	answers := make(chan int, 2)
	ask := func() {
		answer, err := client.Get(p.url + "/catalog")
		if err != nil {
			answers <- 0
			return
		}
		answers <- answer.StatusCode
		_ = answer.Body.Close()
	}
	go ask()
	time.Sleep(100 * time.Millisecond)
	asked := time.Now()
	p.stop()
	require.Eventually(t, func() bool {
		answer, err := client.Get(p.url + "/readyz")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusServiceUnavailable
	}, 300*time.Millisecond, 5*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	go ask() // while the endpoint is being withdrawn; it ends after the listener has gone
	assert.Equal(t, http.StatusOK, <-answers)
	assert.Equal(t, http.StatusOK, <-answers)
	require.NoError(t, <-p.done)
	assert.Greater(t, time.Since(asked), 500*time.Millisecond)
	_, err := client.Get(p.url + "/livez")
	require.Error(t, err)
}

func TestWithoutDrainItLeavesAtOnce(t *testing.T) {
	p := serving(t, "-drain=false")
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get(p.url + "/catalog")
		failed <- err
	}()
	time.Sleep(100 * time.Millisecond)
	asked := time.Now()
	p.stop()
	require.NoError(t, <-p.done)
	assert.Less(t, time.Since(asked), 300*time.Millisecond)
	require.Error(t, <-failed)
}

func TestItPreparesBeforeItListens(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	began := time.Now()
	go func() {
		done <- run(ctx, []string{"catalog", "-listen", address, "-startup", "300ms"}, io.Discard, io.Discard)
	}()
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/readyz")
		return err == nil && answer.Body.Close() == nil
	}, 5*time.Second, 5*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	cancel()
	assert.Zero(t, <-done)

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	assert.Zero(t, run(ctx, []string{"catalog", "-listen", address, "-startup", "1h"}, io.Discard, io.Discard), "asked to end while it prepares")
}

func TestMisuse(t *testing.T) {
	for want, args := range map[string][]string{
		"no role given": nil, "unknown role": {"checkout"}, "not defined": {"catalog", "-x"},
		"not understood": {"catalog", "x"}, "not an http URL": {"gateway", "-catalog", "catalog:8080"},
		"-clients needs -tls": {"catalog", "-clients", "ca.crt"},
	} {
		var stderr strings.Builder
		assert.Equal(t, 2, run(t.Context(), args, io.Discard, &stderr), want)
		assert.Contains(t, stderr.String(), want)
	}
	var stdout strings.Builder
	assert.Equal(t, 1, run(t.Context(), []string{"catalog", "-listen", "127.0.0.1:99999"}, &stdout, io.Discard))
	assert.Contains(t, stdout.String(), "cannot listen")
}

func TestAnswersCostProcessorTime(t *testing.T) {
	const cost, asked = 20 * time.Millisecond, 5
	h, _ := handler(t, false, "catalog", "-cost", cost.String())
	runtime.LockOSThread() // the handler runs on this thread, whose usage tells
	defer runtime.UnlockOSThread()
	before := threadTime()
	for range asked {
		assert.Equal(t, http.StatusOK, get(h, "/catalog", "").StatusCode)
	}
	used := threadTime() - before
	assert.GreaterOrEqual(t, used, asked*cost)
	assert.Less(t, used, 2*asked*cost, "and not much more")
	free := threadTime()
	for range asked {
		get(h, "/livez", "")
	}
	assert.Less(t, threadTime()-free, cost, "what is no answer is free")
}

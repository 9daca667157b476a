package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The headers of the shop.
const (
	headerInstance         = "X-Instance"
	headerVersion          = "X-Version"
	headerUpstreamInstance = "X-Upstream-Instance"
	headerRequestID        = "X-Request-Id"
	headerDegraded         = "X-Degraded"
)

// slow is when a request is logged although it succeeded. A line for every
// request would cost more than the request itself.
const slow = 250 * time.Millisecond

// idKey is the context key of the request's id.
type idKey struct{}

// edge is what every request passes through: identity, request id, metrics,
// log, and the closing of connections while draining.
type edge struct {
	next     http.Handler
	settings settings
	draining *atomic.Bool
	metrics  *metrics
	log      *slog.Logger
}

// newHandler returns everything the role answers.
func newHandler(s settings, draining *atomic.Bool, log *slog.Logger) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if draining.Load() {
			say(w, http.StatusServiceUnavailable, "draining")
			return
		}
		say(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	if s.Role == roleGateway {
		secure, err := s.TLS.asking()
		if err != nil {
			return nil, err
		}
		mux.Handle("GET /catalog", costly(newGateway(s, secure, log), s.Cost))
	} else {
		mux.Handle("GET /catalog", costly(newCatalog(), s.Cost))
	}
	return &edge{next: mux, settings: s, draining: draining, metrics: newMetrics(registry, s.Role), log: log}, nil
}

// ServeHTTP implements http.Handler.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := requestID(r.Header.Get(headerRequestID))
	w.Header().Set(headerInstance, e.settings.Instance)
	w.Header().Set(headerVersion, e.settings.Version)
	w.Header().Set(headerRequestID, id)
	if e.draining.Load() {
		// Clients that hold a connection are told to make their next one
		// elsewhere, before the listener goes.
		w.Header().Set("Connection", "close")
	}
	r = r.WithContext(context.WithValue(r.Context(), idKey{}, id))
	seen := &statusWriter{ResponseWriter: w, code: http.StatusOK}
	e.metrics.inFlight.Inc()
	defer e.metrics.inFlight.Dec()
	e.next.ServeHTTP(seen, r)
	took := time.Since(start)
	e.metrics.observe(r.Pattern, seen.code, took)
	if e.settings.LogAll || seen.code >= http.StatusInternalServerError || took >= slow {
		e.log.Info("request", "id", id, "method", r.Method, "path", r.URL.Path, "status", seen.code,
			"ms", float64(took.Microseconds())/1000, "from", r.RemoteAddr)
	}
}

// requestID returns the caller's id when it is harmless, else a new one.
func requestID(given string) string {
	if given == "" || len(given) > 64 {
		return rand.Text()
	}
	for _, c := range []byte(given) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' {
			return rand.Text()
		}
	}
	return given
}

// statusWriter remembers the status for metrics and log.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the real writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// say answers with a line of text. A write error means that the client left,
// and there is nobody to tell.
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}

// fail answers with an error as JSON.
func fail(w http.ResponseWriter, code int, format string, args ...any) {
	body, err := json.Marshal(map[string]string{"error": fmt.Sprintf(format, args...)})
	if err != nil { // a map of strings always marshals
		body = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"squall/workloads/traffic"
)

// target is a server on the loopback that notes when it has answered which request,
// and can be frozen.
type target struct {
	server *http.Server
	url    string
	gate   sync.RWMutex

	mu       sync.Mutex
	answered map[uint64]int64 // by number, on [traffic.Monotonic]'s clock
}

func openTarget() (*target, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a server to send to: %w", err)
	}
	t := &target{url: "http://" + l.Addr().String() + "/"}
	t.server = &http.Server{Handler: t, ReadHeaderTimeout: time.Minute}
	go func() { _ = t.server.Serve(l) }() // until close
	return t, nil
}

func (t *target) close() { _ = t.server.Close() }

// ServeHTTP answers once the server is not frozen.
func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.gate.RLock()
	defer t.gate.RUnlock()
	text := r.Header.Get("X-Vegeta-Seq")
	if id := r.Header.Get("X-Request-Id"); id != "" {
		text = id[strings.LastIndexByte(id, '-')+1:]
	}
	_, _ = io.WriteString(w, "ok")
	if seq, err := strconv.ParseUint(text, 10, 64); err == nil {
		t.mu.Lock()
		t.answered[seq] = traffic.Monotonic()
		t.mu.Unlock()
	}
}

// begin forgets earlier requests and, where the case says so, freezes the server
// for a while; end waits until it thaws.
func (t *target) begin(ctx context.Context, l loadCase) (end func()) {
	t.mu.Lock()
	t.answered = map[uint64]int64{}
	t.mu.Unlock()
	if !l.freeze {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		pause(ctx, freezeAfter) // the freeze is the stimulus, its length what is measured
		t.gate.Lock()
		defer t.gate.Unlock()
		pause(ctx, freezeFor)
	}()
	return func() { <-done }
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// truth is the p99 of the time from when requests were due, by the schedule that
// began then, to when the server had answered.
func (t *target) truth(began int64, rate int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []time.Duration
	for seq, at := range t.answered {
		all = append(all, time.Duration(at-began)-time.Duration(float64(seq)/float64(rate)*float64(time.Second)))
	}
	return p99(all)
}

// p99 is the quantile by nearest rank; 0 of nothing.
func p99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)*99+99)/100-1]
}

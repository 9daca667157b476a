package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// shutdownLimit bounds how long requests in flight may take to end. With
	// the drain delay it stays inside the pod's grace period of 30 s.
	shutdownLimit = 20 * time.Second
	// idleLimit is how long the server keeps an idle connection. It is longer
	// than any client of ours keeps one, so that it is the client who closes
	// and no request meets a connection that is just being closed.
	idleLimit = 75 * time.Second
)

// serve answers on the listener until ctx ends, then drains or, without
// draining, leaves at once. It returns nil after an orderly end.
func serve(ctx context.Context, s settings, listener net.Listener, log *slog.Logger) error {
	var draining atomic.Bool
	handler, err := newHandler(s, &draining, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	secured, err := s.TLS.serving(listener)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	probes, err := health(s.Health, handler)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer probes.Close()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       idleLimit,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(secured) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	if !s.Drain {
		log.Info("asked to end, leaving at once")
		return server.Close()
	}
	draining.Store(true)
	log.Info("asked to end, draining", "delay", s.DrainDelay.String())
	return drain(server, s.DrainDelay, ended)
}

// drain keeps serving for the delay, in which the pod's endpoint is withdrawn
// on every node, then closes the listener and waits for what is in flight.
func drain(server *http.Server, delay time.Duration, ended <-chan error) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case err := <-ended:
		return fmt.Errorf("serve while draining: %w", err)
	case <-timer.C:
	}
	// The process's own context has ended already; this is its last act.
	ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		closeErr := server.Close()
		return errors.Join(fmt.Errorf("requests did not end within %v of the drain: %w", shutdownLimit, err), closeErr)
	}
	return nil
}

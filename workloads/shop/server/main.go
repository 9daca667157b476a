// Command shop is the sample system that Squall deploys: one program that plays
// the role named by its first argument.
//
//	shop catalog    answers GET /catalog with the goods, as JSON
//	shop gateway    answers GET /catalog with what the catalog Service says
//
// Both roles answer /livez, /readyz and /metrics, name themselves in the
// headers X-Instance and X-Version, log JSON lines and, unless told otherwise,
// drain at SIGTERM. With certificates they speak TLS, and can demand a client's.
// The program keeps no state and knows nothing of Kubernetes.
//
// It is built twice: as a package of Squall's module, for its tests, and as a
// module of its own (go.mod.txt, go.sum.txt) inside an image. It may therefore
// import the standard library and what go.mod.txt lists, and nothing else.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// prepare stands for what a service does before it can serve, such as reading
// its data. It reports whether it came to its end.
func prepare(ctx context.Context, startup time.Duration) bool {
	select {
	case <-time.After(startup):
		return true
	case <-ctx.Done():
		return false
	}
}

// run is the whole program: it serves until ctx ends and returns the exit code,
// 0 after an orderly end, 1 after a failure and 2 for misuse.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, os.Getenv)
	if err != nil {
		fmt.Fprintf(stderr, "shop: %v\n", err)
		return 2
	}
	log := slog.New(slog.NewJSONHandler(stdout, nil)).
		With("role", s.Role, "instance", s.Instance, "version", s.Version)
	if !prepare(ctx, s.Startup) {
		log.Info("asked to end before it served")
		return 0
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		log.Error("cannot listen", "address", s.Listen, "error", err.Error())
		return 1
	}
	log.Info("serving", "address", listener.Addr().String(), "drain", s.Drain)
	if err := serve(ctx, s, listener, log); err != nil {
		log.Error("ended badly", "error", err.Error())
		return 1
	}
	log.Info("ended")
	return 0
}

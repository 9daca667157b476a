package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that ends at the first SIGINT or SIGTERM. The
// second one leaves at once through exit; what the process owned is then
// removed by those that watch it.
func interruptible(parent context.Context, stderr io.Writer, exit func(int)) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := <-signals
		cancel(fmt.Errorf("interrupted (%s)", first))
		fmt.Fprintf(stderr, "\nsquall: %s: undoing and leaving; once more to leave at once\n", first)
		<-signals
		exit(exitInconclusive)
	}()
	return ctx
}

//go:build linux

package embedded

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"squall/cluster"
)

// pipes connect a program's standard streams to readers and writers.
type pipes struct {
	run    cluster.Exec
	theirs []uintptr
	files  []*os.File // the child's ends
	stdin  *os.File
	out    [2]*os.File
	copies sync.WaitGroup
}

func newPipes(run cluster.Exec) (*pipes, error) {
	p := &pipes{run: run}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.files, p.stdin = append(p.files, r), w
	for i := range p.out {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		p.files, p.out[i] = append(p.files, w), r
	}
	for _, f := range p.files {
		p.theirs = append(p.theirs, f.Fd())
	}
	return p, nil
}

// start lets go of the child's ends and copies.
func (p *pipes) start() {
	for _, f := range p.files {
		f.Close()
	}
	p.files = nil
	go func() {
		if p.run.Stdin != nil {
			_, _ = io.Copy(p.stdin, p.run.Stdin)
		}
		p.stdin.Close()
	}()
	for i, w := range []io.Writer{p.run.Stdout, p.run.Stderr} {
		if w == nil {
			w = io.Discard
		}
		p.copies.Add(1)
		go func() {
			defer p.copies.Done()
			_, _ = io.Copy(w, p.out[i])
			p.out[i].Close() // a program that goes on writing is told so
		}()
	}
}

// drainDelay is how long the copying may go on after the context has ended. The
// program is dead then, but what it started may keep its streams open.
const drainDelay = 500 * time.Millisecond

// drain waits until everything that was written has been copied. Soon after ctx
// has ended it gives up, and says why.
func (p *pipes) drain(ctx context.Context) error {
	copied := make(chan struct{})
	go func() {
		p.copies.Wait()
		close(copied)
	}()
	select {
	case <-copied:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-copied:
		return nil
	case <-time.After(drainDelay):
	}
	for _, f := range p.out {
		f.Close() // ends the reading
	}
	<-copied
	return fmt.Errorf("its output is still open: %w", context.Cause(ctx))
}

func (p *pipes) close() {
	for _, f := range append(p.files, p.stdin, p.out[0], p.out[1]) {
		if f != nil {
			f.Close()
		}
	}
}

package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The keeper is a process of its own session that answers for a cluster while
// the squall that made it lives: it holds the lock of the state folder and waits
// for the end of its input. When that comes without a word, squall has ended,
// however it did, and the keeper removes the cluster.

// Words between squall and a keeper, a line each.
const (
	wordReady   = "ready"   // the keeper holds the lock
	wordRelease = "release" // the cluster is to live on, or is gone already
)

// keeperGrace is how long a keeper has to come up, and to end.
const keeperGrace = 10 * time.Second

// keep is squall's end of a keeper.
type keep struct {
	input io.WriteCloser
	ended chan error // gets how it ended
}

// startKeeper starts the keeper of a state folder, which is there.
func startKeeper(ctx context.Context, folder string) (*keep, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(folder, "keeper.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the keeper's log: %w", err)
	}
	defer log.Close()
	c := &exec.Cmd{Path: self, Args: []string{keeperName, folder}, Stderr: log, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	input, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("starting the cluster's keeper: %w", err)
	}
	k := &keep{input: input, ended: make(chan error, 1)}
	said := make(chan string, 1)
	// While this waits, the input is in use and stays open: a keeper must not see
	// its end when only the handle of the cluster is not needed any more.
	go func() {
		var word string
		_, _ = fmt.Fscanln(output, &word)
		said <- word
		k.ended <- c.Wait()
	}()
	select {
	case word := <-said:
		if word == wordReady {
			return k, nil
		}
		b, _ := os.ReadFile(log.Name())
		err = fmt.Errorf("the cluster's keeper did not start: %s", tail(string(b), maxTail))
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(keeperGrace):
		err = fmt.Errorf("the cluster's keeper did not start within %s", keeperGrace)
	}
	_ = c.Process.Kill()
	<-k.ended
	return nil, err
}

// release ends the keeper and leaves the cluster as it is.
func (k *keep) release() error {
	_, err := fmt.Fprintln(k.input, wordRelease)
	closed := k.input.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil // it has ended already
	}
	if err := errors.Join(err, closed, <-k.ended); err != nil {
		return fmt.Errorf("ending the cluster's keeper: %w", err)
	}
	return nil
}

// keeper is the process.
func keeper(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, need a state folder", len(args))
	}
	folder := args[0]
	lock, err := takeLock(filepath.Join(folder, lockFile))
	if err != nil {
		return err
	}
	defer lock.Close()
	held, err := lock.Stat()
	if err != nil {
		return err
	}
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	fmt.Println(wordReady)
	words := make(chan string, 1)
	go func() {
		var word string
		_, _ = fmt.Fscanln(os.Stdin, &word)
		words <- word
	}()
	select {
	case word := <-words:
		if word == wordRelease {
			return nil
		}
	case <-asked.Done():
	}
	// When the cluster was removed, another of the same name may have taken its
	// folder, with a lock of its own.
	if now, err := os.Stat(lock.Name()); err != nil || !os.SameFile(held, now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeDeadline)
	defer cancel()
	return removePatiently(ctx, filepath.Base(folder), folder, engineReturn)
}

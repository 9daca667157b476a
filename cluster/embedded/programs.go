//go:build linux

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// program is one program that a node keeps running.
type program struct {
	Name string
	Args []string
	Env  []string // besides the node's own
	// Path is the executable; empty means the component of that name.
	Path string
	// Log is the name of the log, without its ending; empty means the program's.
	Log string
	// Listener, when not nil, is handed to the program's first run and closed
	// here: later runs open their address themselves.
	Listener *os.File
}

// listenerVariable tells our build of the API server which descriptor is its
// listener.
const listenerVariable = "SQUALL_API_LISTENER"

// programs keeps the programs of a node running, as systemd would with
// Restart=always.
type programs struct {
	reaper *reaper
	report func(event)

	mu     sync.Mutex // guards what follows
	kept   map[string]*kept
	closed bool // no more are started
}

// kept is a program that is kept running.
type kept struct {
	pid    int // of its last run; guarded by programs.mu
	once   sync.Once
	ending chan struct{} // closed when it is to end for good
	gone   chan struct{} // closed when it has
}

func newPrograms(report func(event)) *programs {
	return &programs{reaper: newReaper(), report: report, kept: map[string]*kept{}}
}

// The pauses before a program that ended is started again: the first is what
// systemd takes (RestartSec=100ms), then they double.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	// steadyRun is how long a program must have run for its next end to count
	// as the first.
	steadyRun = 30 * time.Second
)

// keep starts a program and starts it again whenever it ends, until end is
// called for it.
func (ps *programs) keep(p program) {
	k := &kept{ending: make(chan struct{}), gone: make(chan struct{})}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return
	}
	ps.kept[p.Name] = k
	go ps.again(k, p)
}

// again runs a program again and again.
func (ps *programs) again(k *kept, p program) {
	defer close(k.gone)
	pause := firstPause
	for {
		began := time.Now()
		status := ps.once(k, p)
		p.Listener = nil
		select {
		case <-k.ending:
			return
		default:
		}
		ps.report(event{What: whatExited, Program: p.Name, Status: status, Tail: tail(p.log(), maxTail)})
		if time.Since(began) > steadyRun {
			pause = firstPause
		}
		select {
		case <-k.ending:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// once runs a program to its end and says how it ended.
func (ps *programs) once(k *kept, p program) string {
	pid, ended, err := ps.start(p)
	if err != nil {
		return err.Error()
	}
	ps.mu.Lock()
	k.pid = pid
	ps.mu.Unlock()
	select {
	case <-k.ending: // end did not know of this run
		ps.reaper.signal(pid, syscall.SIGTERM)
	default:
	}
	return describeStatus(<-ended)
}

// close lets no more programs be kept.
func (ps *programs) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.closed = true
}

// end asks programs that are kept to end and waits until they have; those that
// have not after grace are killed.
func (ps *programs) end(ctx context.Context, grace time.Duration, names ...string) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	var all []*kept
	for _, name := range names {
		if k := ps.find(name); k != nil {
			k.once.Do(func() { close(k.ending) })
			ps.signal(k, syscall.SIGTERM)
			all = append(all, k)
		}
	}
	for _, k := range all {
		select {
		case <-k.gone:
		case <-ctx.Done():
			ps.signal(k, syscall.SIGKILL)
			<-k.gone
		}
	}
}

func (ps *programs) find(name string) *kept {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.kept[name]
}

func (ps *programs) signal(k *kept, s syscall.Signal) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.reaper.signal(k.pid, s)
}

// run runs a program that is expected to end well.
func (ps *programs) run(p program) error {
	_, ended, err := ps.start(p)
	if err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return fmt.Errorf("%s %v: %s\n%s", p.Name, p.Args, describeStatus(status), tail(p.log(), maxTail))
	}
	return nil
}

// serve starts a program that runs until stop is called, which asks it to end
// and waits until it has.
func (ps *programs) serve(p program) (stop func(), err error) {
	pid, ended, err := ps.start(p)
	if err != nil {
		return nil, err
	}
	return func() {
		ps.reaper.signal(pid, syscall.SIGTERM)
		<-ended
	}, nil
}

// start starts a program with its output in its log.
func (ps *programs) start(p program) (int, <-chan syscall.WaitStatus, error) {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return 0, nil, fmt.Errorf("opening the log of %s: %w", p.Name, err)
	}
	defer log.Close()
	files, env := []uintptr{0, log.Fd(), log.Fd()}, append(p.Env, os.Environ()...)
	if p.Listener != nil {
		defer p.Listener.Close()
		env = append(env, fmt.Sprintf("%s=%d", listenerVariable, len(files)))
		files = append(files, p.Listener.Fd())
	}
	path := p.Path
	if path == "" {
		path = filepath.Join(componentsDir, "bin", p.Name)
	}
	return ps.reaper.start(path, append([]string{p.Name}, p.Args...),
		&syscall.ProcAttr{
			Env:   env,
			Files: files,
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
}

// log is the program's log file on its node.
func (p program) log() string {
	name := p.Log
	if name == "" {
		name = p.Name
	}
	return filepath.Join("/var/log", name+".log")
}

// tail returns the last lines of a file, at most size bytes.
func tail(path string, size int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return tailOf(f, size)
}

// tailOf is tail for an open file.
func tailOf(f *os.File, size int64) string {
	_, err := f.Seek(-size, io.SeekEnd)
	if errors.Is(err, syscall.EINVAL) { // it is shorter
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return ""
	}
	b, _ := io.ReadAll(io.LimitReader(f, size))
	if _, rest, cut := bytes.Cut(b, []byte("\n")); cut && int64(len(b)) == size {
		b = rest // the first line is not whole
	}
	return string(b)
}

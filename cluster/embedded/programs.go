//go:build linux

package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// program is one program that a node keeps running.
type program struct {
	Name string
	Args []string
	Env  []string // besides the node's own
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
}

func newPrograms(report func(event)) *programs {
	return &programs{reaper: newReaper(), report: report}
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

// keep starts a program and starts it again whenever it ends.
func (ps *programs) keep(p program) {
	go func() {
		pause := firstPause
		for {
			began := time.Now()
			status := ps.once(p)
			p.Listener = nil
			ps.report(event{What: whatExited, Program: p.Name, Status: status, Tail: tail(p.log(), maxTail)})
			if time.Since(began) > steadyRun {
				pause = firstPause
			}
			time.Sleep(pause)
			pause = min(2*pause, lastPause)
		}
	}()
}

// once runs a program to its end and says how it ended.
func (ps *programs) once(p program) string {
	_, ended, err := ps.start(p)
	if err != nil {
		return err.Error()
	}
	return describeStatus(<-ended)
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
	return ps.reaper.start(filepath.Join(componentsDir, "bin", p.Name), append([]string{p.Name}, p.Args...),
		&syscall.ProcAttr{
			Env:   env,
			Files: files,
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
}

// log is the program's log file on its node.
func (p program) log() string { return filepath.Join("/var/log", p.Name+".log") }

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

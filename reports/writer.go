package reports

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// flushEvery bounds how much of a record is lost when the process is killed.
const flushEvery = time.Second

// Writer writes the record of one run. It is safe for concurrent use.
type Writer struct {
	mu     sync.Mutex
	file   *os.File
	buf    *bufio.Writer
	loads  *requestsWriter
	err    error // the first one; nothing is written after it
	closed bool

	stop    chan struct{}
	stopped chan struct{}
}

// Create makes the folder dir, readable by everybody, writes the scenario and
// the plan into it and begins the journal with h, whose Format it sets. A
// folder that already holds a journal is refused.
func Create(dir string, h Header, scenario, plan []byte) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the record: %w", err)
	}
	// A strict umask would make a record that root wrote unreadable for the
	// user who asked for the run.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the record readable: %w", err)
	}
	journal := filepath.Join(dir, FileRecord)
	file, err := os.OpenFile(journal, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s holds a record already: give each run a folder of its own: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("begin the record: %w", err)
	}
	loads, err := createRequests(dir)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w := &Writer{
		file: file, loads: loads, buf: bufio.NewWriterSize(file, 1<<16),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	h.Format = Format
	if err := w.begin(dir, h, scenario, plan); err != nil {
		return nil, errors.Join(err, file.Close(), loads.file.Close())
	}
	go w.flushLoop()
	return w, nil
}

// begin writes all that a record has before its first entry.
func (w *Writer) begin(dir string, h Header, scenario, plan []byte) error {
	if err := w.file.Chmod(0o644); err != nil {
		return fmt.Errorf("make the record readable: %w", err)
	}
	if err := writeFile(filepath.Join(dir, FileScenario), scenario, 0o644); err != nil {
		return fmt.Errorf("write the scenario into the record: %w", err)
	}
	if err := writeFile(filepath.Join(dir, FilePlan), plan, 0o644); err != nil {
		return fmt.Errorf("write the plan into the record: %w", err)
	}
	w.line(h)
	if w.err == nil {
		w.err = w.buf.Flush()
	}
	if w.err != nil {
		return fmt.Errorf("write the first line of %s: %w", w.file.Name(), w.err)
	}
	return nil
}

// Add appends an entry; a request as [Writer.Request] does. It reaches the disk within about a second. The first
// error is kept for [Writer.Close], and nothing is written after it; so is what
// is added after Close dropped.
func (w *Writer) Add(e Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.closed {
		return
	}
	if err := e.check(); err != nil {
		w.err = fmt.Errorf("add to the record %s: %w", w.file.Name(), err)
		return
	}
	if e.Kind == KindRequest {
		w.loads.add(e.Request.Load, e.Request.sample(e.At, &w.loads.shared))
		return
	}
	w.line(e)
}

// line writes v as one line; the caller holds the lock, or is alone.
func (w *Writer) line(v any) {
	raw, err := json.Marshal(v)
	if err == nil {
		_, err = w.buf.Write(append(raw, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("write to the record %s: %w", w.file.Name(), err)
	}
}

func (w *Writer) flushLoop() {
	defer close(w.stopped)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			w.mu.Lock()
			w.flush()
			w.mu.Unlock()
		}
	}
}

func (w *Writer) flush() {
	if w.err != nil {
		return
	}
	if err := errors.Join(w.buf.Flush(), w.loads.flush()); err != nil {
		w.err = fmt.Errorf("write to the record %s: %w", w.file.Name(), err)
	}
}

// Close writes what is still in memory and returns the first error of all. A
// second Close returns the same again.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return w.err
	}
	w.closed = true
	close(w.stop)
	w.mu.Unlock()
	<-w.stopped // it may be waiting for the lock
	w.mu.Lock()

	w.flush()
	if err := errors.Join(w.file.Sync(), w.loads.file.Sync()); err != nil && w.err == nil {
		w.err = fmt.Errorf("write the record %s to the disk: %w", w.file.Name(), err)
	}
	if err := errors.Join(w.file.Close(), w.loads.file.Close()); err != nil && w.err == nil {
		w.err = fmt.Errorf("close the record: %w", err)
	}
	return w.err
}

// check tells whether exactly the pointer that e.Kind names is set.
func (e *Entry) check() error {
	set, named := 0, false
	for _, part := range []struct {
		kind Kind
		set  bool
	}{
		{KindPhase, e.Phase != nil},
		{KindRequest, e.Request != nil},
		{KindLoad, e.Load != nil},
		{KindLatencies, e.Latencies != nil},
		{KindEvent, e.Event != nil},
		{KindPod, e.Pod != nil},
		{KindWorkload, e.Workload != nil},
		{KindEndpoint, e.Endpoint != nil},
		{KindTimers, e.Timers != nil},
		{KindNode, e.Node != nil},
		{KindNotice, e.Notice != nil},
		{KindGenerator, e.Generator != nil},
		{KindLog, e.Log != nil},
		{KindRollout, e.Rollout != nil},
		{KindTenants, e.Tenants != nil},
		{KindAbort, e.Abort != nil},
		{KindHPA, e.HPA != nil},
		{KindUsage, e.Usage != nil},
		{KindTrouble, e.Trouble != nil},
		{KindEnd, e.End != nil},
	} {
		if part.set {
			set++
			named = named || part.kind == e.Kind
		}
	}
	if set != 1 || !named {
		return fmt.Errorf("an entry of kind %q must hold its %q and nothing else", e.Kind, e.Kind)
	}
	return nil
}

// writeFile replaces the file in one step, so that a reader never sees half of
// it, and gives it its mode whatever the umask.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

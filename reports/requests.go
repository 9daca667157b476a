package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"squall/workloads/sample"
)

// maxGathered bounds the requests of a load that wait to be written, in bytes.
const maxGathered = 256 << 10

// requestsWriter writes [FileRequests]. Whoever has it holds a lock.
type requestsWriter struct {
	file   *os.File
	loads  map[string]*sample.Encoder
	order  []*sample.Encoder // in which they came
	shared sample.Shared
	frame  []byte
	err    error // the first one; nothing is written after it
}

// createRequests begins the file.
func createRequests(dir string) (*requestsWriter, error) {
	file, err := os.OpenFile(filepath.Join(dir, FileRequests), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("begin the record's requests: %w", err)
	}
	w := &requestsWriter{file: file, loads: map[string]*sample.Encoder{}}
	if _, err = file.WriteString(sample.Magic); err == nil {
		err = file.Chmod(0o644) // whatever the umask
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin the record's requests: %w", err), file.Close())
	}
	return w, nil
}

// add gathers a request, and writes those of its load when they are many.
func (w *requestsWriter) add(load string, s sample.Sample) {
	e := w.loads[load]
	if e == nil {
		e = sample.NewEncoder(load)
		w.loads[load], w.order = e, append(w.order, e)
	}
	e.Add(s)
	if e.Size() >= maxGathered {
		w.write(e)
	}
}

// write writes what was gathered of a load.
func (w *requestsWriter) write(e *sample.Encoder) {
	w.frame = e.AppendFrame(w.frame[:0])
	if w.err == nil && len(w.frame) > 0 {
		_, w.err = w.file.Write(w.frame)
	}
}

// flush writes all that was gathered, and returns the first error of all.
func (w *requestsWriter) flush() error {
	for _, e := range w.order {
		w.write(e)
	}
	return w.err
}

// Request appends requests of a load. They reach the disk within about a second,
// and their number costs no memory. What is true of errors in [Writer.Add] is
// true here.
func (w *Writer) Request(load string, all ...sample.Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.closed {
		return
	}
	for _, one := range all {
		w.loads.add(load, one)
	}
}

// sample is the entry as a sample.
func (r *RequestEntry) sample(due Offset, shared *sample.Shared) sample.Sample {
	return sample.Sample{Seq: r.Seq, Due: due, Sent: r.Sent, Done: r.Done, Answer: shared.Of(sample.Answer{
		Code: r.Code, Class: r.Class, Skipped: r.Skipped, Error: r.Error,
		Instance: r.Instance, Version: r.Version, Target: r.Target, By: r.By,
	})}
}

// readRequests reads the record's [FileRequests]. A last frame that was cut off
// sets Truncated; anything else that is wrong is an error.
func (r *Record) readRequests(dir string) error {
	if err := isFile(dir, FileRequests); err != nil {
		return err
	}
	path := filepath.Join(dir, FileRequests)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the record's requests: %w", err)
	}
	in := sample.NewReader(bytes.NewReader(text))
	r.counts = map[string]int{}
	for err == nil {
		var some sample.Requests
		some, err = in.Requests()
		r.counts[some.Load] += len(some.Samples)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.Truncated = true
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("%s: %w", path, err)
	}
	r.requests = text[:in.Whole()]
	return nil
}

// CountRequests is how many requests the record has of each load.
func (r *Record) CountRequests() map[string]int {
	counts := map[string]int{}
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Kind == KindRequest {
			counts[e.Request.Load]++
		}
	}
	for load, n := range r.counts {
		if n > 0 {
			counts[load] += n
		}
	}
	return counts
}

// EachRequest calls fn for every request of the record: those of each load in
// the order in which they ended. Samples that are equal but for their times
// mostly share one answer.
func (r *Record) EachRequest(fn func(load string, one sample.Sample)) {
	var shared sample.Shared
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Kind == KindRequest {
			fn(e.Request.Load, e.Request.sample(e.At, &shared))
		}
	}
	if len(r.requests) == 0 {
		return
	}
	for in := sample.NewReader(bytes.NewReader(r.requests)); ; {
		some, err := in.Requests()
		if err != nil { // only at the end: Open has read all of it
			return
		}
		for _, one := range some.Samples {
			fn(some.Load, one)
		}
	}
}

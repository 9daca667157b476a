package traffic

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// flushEvery is how often results are written. Between, they wait in memory, so
// that a slow reader never delays a request.
const flushEvery = 50 * time.Millisecond

// closeLimit is how long the last results may wait for somebody to read them.
const closeLimit = 10 * time.Second

// maxLine bounds a line of the stream and of the spec, in bytes.
const maxLine = 1 << 20

// line is one line of the stream: a result or, at the end, the summary.
type line struct {
	Result  *Result  `json:"result,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
}

// stream writes lines in batches from a goroutine of its own.
type stream struct {
	out    io.Writer
	failed func(error) // called once, when writing fails
	wake   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	waiting *bytes.Buffer
	err     error
}

// newStream starts writing to out. The caller must call close.
func newStream(out io.Writer, failed func(error)) *stream {
	s := &stream{out: out, failed: failed, wake: make(chan struct{}), done: make(chan struct{}), waiting: new(bytes.Buffer)}
	go s.run()
	return s
}

// put adds a line. It never waits for the reader.
func (s *stream) put(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write a result: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.waiting.Write(text)
	s.waiting.WriteByte('\n')
	return nil
}

// run writes what waits, again and again, until the stream is closed.
func (s *stream) run() {
	defer close(s.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	spare := new(bytes.Buffer)
	for closing := false; !closing; {
		select {
		case <-tick.C:
		case <-s.wake:
			closing = true
		}
		s.mu.Lock()
		batch := s.waiting
		s.waiting = spare
		s.mu.Unlock()
		if _, err := batch.WriteTo(s.out); err != nil {
			s.fail(fmt.Errorf("write results: %w", err))
			return
		}
		batch.Reset()
		spare = batch
	}
}

// fail keeps the first failure and tells of it.
func (s *stream) fail(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.failed(err)
}

// close writes the rest and returns the first failure of all.
func (s *stream) close() error {
	close(s.wake)
	select {
	case <-s.done:
	case <-time.After(closeLimit):
		return fmt.Errorf("the last results were not read within %v", closeLimit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Read decodes the stream of a generator, calling fn for every result in the
// order in which they ended, and returns the summary that closes it. When the
// stream breaks off, the error wraps [io.ErrUnexpectedEOF] and the summary holds
// what was counted until then. A summary that does not agree with the results
// is an error.
func Read(r io.Reader, fn func(Result)) (Summary, error) {
	var counted Summary
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return counted, fmt.Errorf("the generator's results break off after %d requests: %w", counted.Planned, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return counted, fmt.Errorf("read the generator's results after %d requests: %w", counted.Planned, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return counted, fmt.Errorf("line %d of the generator's results is not one: %w", counted.Planned+1, err)
		}
		switch {
		case l.Result != nil:
			counted.count(*l.Result)
			fn(*l.Result)
		case l.Summary != nil:
			said := *l.Summary
			if said.Planned != counted.Planned || said.Sent != counted.Sent || said.Skipped != counted.Skipped {
				return said, fmt.Errorf("the generator says planned %d, sent %d, skipped %d, but its results are %d, %d, %d",
					said.Planned, said.Sent, said.Skipped, counted.Planned, counted.Sent, counted.Skipped)
			}
			return said, nil
		}
	}
}

// count adds a result.
func (s *Summary) count(r Result) {
	s.Planned++
	if r.Skipped {
		s.Skipped++
	} else {
		s.Sent++
	}
}

// readLine reads one whole line. What stands after the last line's end, without
// one, was cut off and counts as the end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		text = append(text, part...)
		if err == nil {
			return text, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(text) > maxLine {
			return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
	}
}

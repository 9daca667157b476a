package traffic

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"squall/workloads/sample"
)

const (
	// flushEvery is how often results are written. Between, they wait in memory,
	// so that a slow reader never delays a request.
	flushEvery = 50 * time.Millisecond
	// closeLimit is how long the last results may wait for somebody to read them.
	closeLimit = 10 * time.Second
	// maxLine bounds a line of the input, in bytes.
	maxLine = 1 << 20
	// maxGathered is when results that wait become a frame, in bytes.
	maxGathered = 1 << 20
	// maxWaiting bounds the results that wait for a reader, in bytes: some five
	// million requests. Who reads none for that long has not slowed down but ended.
	maxWaiting = 64 << 20
)

// stream writes results in batches from a goroutine of its own.
type stream struct {
	out    io.Writer
	failed func(error) // called once, when writing fails
	wake   chan struct{}
	done   chan struct{}

	mu       sync.Mutex
	gathered *sample.Encoder
	waiting  []byte // frames
	err      error
}

// newStream starts writing to out. The caller must call close.
func newStream(load string, out io.Writer, failed func(error)) *stream {
	s := &stream{out: out, failed: failed, wake: make(chan struct{}), done: make(chan struct{}),
		gathered: sample.NewEncoder(load), waiting: []byte(sample.Magic)}
	go s.run()
	return s
}

// put adds a result. It never waits for the reader.
func (s *stream) put(r Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.gathered.Add(r)
	if s.gathered.Size() >= maxGathered {
		s.waiting = s.gathered.AppendFrame(s.waiting)
	}
	if len(s.waiting) > maxWaiting {
		s.err = fmt.Errorf("write results: more than %d MB of them wait for a reader", maxWaiting>>20)
		go s.failed(s.err) // it may be called from within what it ends
	}
	return s.err
}

// tell adds what the generator tells of itself.
func (s *stream) tell(self Self) {
	text, err := json.Marshal(self)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil { // numbers can always be written
		s.err = errors.Join(s.err, fmt.Errorf("write what the generator tells of itself: %w", err))
		return
	}
	s.waiting = sample.AppendFrame(s.gathered.AppendFrame(s.waiting), sample.FrameSelf, text)
}

// end adds the summary.
func (s *stream) end(summary Summary) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = sample.AppendFrame(s.gathered.AppendFrame(s.waiting), sample.FrameSummary, text)
	return s.err
}

// run writes what waits, again and again, until the stream is closed.
func (s *stream) run() {
	defer close(s.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var spare []byte
	for closing := false; !closing; {
		select {
		case <-tick.C:
		case <-s.wake:
			closing = true
		}
		s.mu.Lock()
		batch := s.gathered.AppendFrame(s.waiting)
		s.waiting = spare[:0]
		s.mu.Unlock()
		if len(batch) > 0 {
			if _, err := s.out.Write(batch); err != nil {
				s.fail(fmt.Errorf("write results: %w", err))
				return
			}
		}
		spare = batch
	}
}

// fail keeps the first failure and tells of it.
func (s *stream) fail(err error) {
	s.mu.Lock()
	s.err = errors.Join(s.err, err)
	s.mu.Unlock()
	s.failed(err)
}

// close writes the rest and returns the failures.
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
func Read(in io.Reader, fn func(Result)) (Summary, error) {
	return ReadAll(in, fn, func(Self) {})
}

// ReadAll is [Read] that also calls self for what the generator tells of itself.
func ReadAll(in io.Reader, fn func(Result), self func(Self)) (Summary, error) {
	var counted Summary
	for r := sample.NewReader(in); ; {
		kind, holds, err := r.Frame()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return counted, fmt.Errorf("the generator's results break off after %d requests: %w", counted.Planned, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return counted, fmt.Errorf("read the generator's results after %d requests: %w", counted.Planned, err)
		}
		if kind == sample.FrameSummary {
			return agreed(holds, counted)
		}
		if kind == sample.FrameSelf {
			var told Self
			if err := json.Unmarshal(holds, &told); err != nil {
				return counted, fmt.Errorf("read what the generator tells of itself: %w", err)
			}
			self(told)
			continue
		}
		some, err := r.Decode(holds)
		if err != nil {
			return counted, fmt.Errorf("read the generator's results after %d requests: %w", counted.Planned, err)
		}
		for _, one := range some.Samples {
			counted.count(one)
			fn(one)
		}
	}
}

// agreed reads the summary and holds it to what was counted.
func agreed(text []byte, counted Summary) (Summary, error) {
	var said Summary
	if err := json.Unmarshal(text, &said); err != nil {
		return counted, fmt.Errorf("read what the generator says at its end: %w", err)
	}
	if said.Planned != counted.Planned || said.Sent != counted.Sent || said.Skipped != counted.Skipped {
		return said, fmt.Errorf("the generator says planned %d, sent %d, skipped %d, but its results are %d, %d, %d",
			said.Planned, said.Sent, said.Skipped, counted.Planned, counted.Sent, counted.Skipped)
	}
	return said, nil
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

package sample

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// maxFrame bounds what a frame holds, in bytes. Honest ones are far below.
const maxFrame = 16 << 20

// Requests are some requests of one load.
type Requests struct {
	Load    string
	Samples []Sample
}

// Reader reads a text of samples.
type Reader struct {
	in     *bufio.Reader
	begun  bool
	at     int64 // how many bytes of whole frames were read
	holds  []byte
	rows   []Sample
	shared Shared
	names  map[string]string
}

// NewReader returns one that reads from in.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 1<<16), names: map[string]string{}}
}

// Whole is how many bytes were read of the beginning and of whole frames.
func (r *Reader) Whole() int64 { return r.at }

// Frame returns the next frame, valid until the call after. The error is [io.EOF]
// behind the last one, and wraps [io.ErrUnexpectedEOF] where the text is cut off
// inside a frame; any other says what is wrong, and where.
func (r *Reader) Frame() (kind byte, holds []byte, err error) {
	if err := r.begin(); err != nil {
		return 0, nil, err
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, r.cut(err)
	}
	size := binary.LittleEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("at byte %d: a frame of %d bytes: this is no frame of samples", r.at, size)
	}
	if cap(r.holds) < int(size) {
		r.holds = make([]byte, size)
	}
	r.holds = r.holds[:size]
	if n, err := io.ReadFull(r.in, r.holds); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, r.cut(err)
	}
	if crc32.Checksum(r.holds, checksums()) != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, fmt.Errorf("at byte %d: a frame does not have its checksum: the samples are damaged", r.at)
	}
	r.at += frameHead + int64(size)
	return head[0], r.holds, nil
}

// begin reads the first line.
func (r *Reader) begin() error {
	if r.begun {
		return nil
	}
	var first [len(Magic)]byte
	n, err := io.ReadFull(r.in, first[:])
	if string(first[:n]) != Magic[:n] || n < len(Magic) && err == nil {
		return fmt.Errorf("samples begin with %q, and not with %q", Magic, first[:n])
	}
	if err != nil {
		return r.cut(err)
	}
	r.begun, r.at = true, int64(n)
	return nil
}

// cut is the error of a read that ended inside or, as io.EOF, behind a frame.
func (r *Reader) cut(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("samples are cut off after %d bytes: %w", r.at, io.ErrUnexpectedEOF)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("read samples: %w", err)
}

// Requests returns the next requests, valid until the call after; their answers
// stay. The errors are those of [Reader.Frame]; a frame that is none of requests
// is an error, too.
func (r *Reader) Requests() (Requests, error) {
	kind, holds, err := r.Frame()
	if err != nil {
		return Requests{}, err
	}
	if kind != FrameRequests {
		return Requests{}, fmt.Errorf("at byte %d: a frame of an unknown kind %q", r.at, kind)
	}
	return r.Decode(holds)
}

// Decode reads what a frame of requests holds.
func (r *Reader) Decode(holds []byte) (Requests, error) {
	c := cursor{rest: holds, names: r.names}
	all := Requests{Load: c.string()}
	texts := make([]string, 1, 1+c.count(1))
	for range cap(texts) - 1 {
		texts = append(texts, c.string())
	}
	answers := make([]*Answer, 0, c.count(8))
	for range cap(answers) {
		answers = append(answers, r.shared.Of(c.answer(texts)))
	}
	n := c.count(5)
	if cap(r.rows) < n {
		r.rows = make([]Sample, n)
	}
	r.rows = r.rows[:n]
	c.samples(r.rows, answers)
	if c.failed || len(c.rest) > 0 {
		return Requests{}, fmt.Errorf("at byte %d: a frame with its checksum does not hold requests: it was written by another version, or by a mistake", r.at)
	}
	all.Samples = r.rows
	return all, nil
}

// cursor reads what a frame holds from its beginning. Once something is not as
// it should be it has failed, and what it reads is nothing.
type cursor struct {
	rest   []byte
	failed bool
	names  map[string]string
}

// fail gives up.
func (c *cursor) fail() { c.failed, c.rest = true, nil }

// samples reads the rows of requests.
func (c *cursor) samples(rows []Sample, answers []*Answer) {
	seq, due, gap := uint64(0), int64(0), int64(0)
	for i := range rows {
		at := c.uvarint()
		if at >= uint64(len(answers)) {
			c.fail()
			return
		}
		seq += uint64(c.varint())
		gap += c.varint()
		due += gap
		sent := due + c.varint()
		done := sent + c.varint()
		rows[i] = Sample{Seq: seq, Due: time.Duration(due), Sent: time.Duration(sent), Done: time.Duration(done), Answer: answers[at]}
		seq++
	}
}

// answer reads the row of an answer.
func (c *cursor) answer(texts []string) Answer {
	a := Answer{Code: int(c.varint()), Class: Class(c.byte())}
	flags := c.byte()
	if flags > 1 {
		c.fail()
	}
	a.Skipped = flags == 1
	for _, text := range [...]*string{&a.Error, &a.Instance, &a.Version, &a.Target} {
		*text = c.of(texts)
	}
	for range c.count(2) {
		if a.By == nil {
			a.By = map[string]string{}
		}
		name := c.of(texts)
		a.By[name] = c.of(texts)
	}
	return a
}

// of reads the number of a text.
func (c *cursor) of(texts []string) string {
	at := c.uvarint()
	if at >= uint64(len(texts)) {
		c.fail()
		return ""
	}
	return texts[at]
}

// count reads how many of something follow that takes so many bytes at least,
// so that no more room is made than the frame can fill.
func (c *cursor) count(least int) int {
	n := c.uvarint()
	if n > uint64(len(c.rest)/least) {
		c.fail()
		return 0
	}
	return int(n)
}

func (c *cursor) byte() byte {
	if len(c.rest) == 0 {
		c.fail()
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

func (c *cursor) uvarint() uint64 {
	n, size := binary.Uvarint(c.rest)
	if size <= 0 {
		c.fail()
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

func (c *cursor) varint() int64 {
	n, size := binary.Varint(c.rest)
	if size <= 0 {
		c.fail()
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

// string reads a text after its length. Equal ones are kept once.
func (c *cursor) string() string {
	n := c.count(1)
	text := c.rest[:n]
	c.rest = c.rest[n:]
	if kept, known := c.names[string(text)]; known {
		return kept
	}
	kept := string(text)
	if len(c.names) < maxShared { // texts that never repeat gain nothing
		c.names[kept] = kept
	}
	return kept
}

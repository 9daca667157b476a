package sample

import (
	"encoding/binary"
	"hash/crc32"
)

// The kinds of frames.
const (
	// FrameRequests holds requests of one load.
	FrameRequests = 'r'
	// FrameSummary is for what a generator says at its end; only streams have it.
	FrameSummary = 's'
	// FrameSelf is for what a generator tells of itself; only streams have it.
	FrameSelf = 'g'
)

// frameHead is how many bytes stand before what a frame holds.
const frameHead = 1 + 4 + 4

// checksums is the polynomial of the frames' checksums.
func checksums() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // it is made once

// AppendFrame appends a frame.
func AppendFrame(to []byte, kind byte, holds []byte) []byte {
	to = append(to, kind)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(holds)))
	to = binary.LittleEndian.AppendUint32(to, crc32.Checksum(holds, checksums()))
	return append(to, holds...)
}

// Encoder gathers requests of one load for a frame. It belongs to one goroutine.
type Encoder struct {
	load string

	texts   map[string]uint64 // the empty one is number 0 and not written
	answers map[*Answer]uint64
	last    *Answer // the answer of the row before, which is often the same
	lastAt  uint64

	textRows, answerRows, rows []byte
	count                      uint64

	seq      uint64 // that the next row most likely has
	due, gap int64  // of the row before: when, and how long after the one before it
	frame    []byte
}

// NewEncoder returns one for a load.
func NewEncoder(load string) *Encoder {
	e := &Encoder{load: load, texts: map[string]uint64{}, answers: map[*Answer]uint64{}}
	e.reset()
	return e
}

// Add adds a request.
func (e *Encoder) Add(s Sample) {
	due, sent, done := int64(s.Due), int64(s.Sent), int64(s.Done)
	gap := due - e.due
	to := binary.AppendUvarint(e.rows, e.answer(s.Answer))
	to = binary.AppendVarint(to, int64(s.Seq-e.seq))
	to = binary.AppendVarint(to, gap-e.gap)
	to = binary.AppendVarint(to, sent-due)
	e.rows = binary.AppendVarint(to, done-sent)
	e.seq, e.due, e.gap = s.Seq+1, due, gap
	e.count++
}

// Size is about how many bytes the frame has by now; 0 when nothing was added.
func (e *Encoder) Size() int { return len(e.textRows) + len(e.answerRows) + len(e.rows) }

// AppendFrame appends the frame of what was added and begins anew. When nothing
// was added, it appends nothing.
func (e *Encoder) AppendFrame(to []byte) []byte {
	if e.count == 0 {
		return to
	}
	holds := appendText(e.frame[:0], e.load)
	holds = append(binary.AppendUvarint(holds, uint64(len(e.texts))), e.textRows...)
	holds = append(binary.AppendUvarint(holds, uint64(len(e.answers))), e.answerRows...)
	holds = append(binary.AppendUvarint(holds, e.count), e.rows...)
	e.frame = holds
	e.reset()
	return AppendFrame(to, FrameRequests, holds)
}

// reset forgets what was added, and keeps the room it took.
func (e *Encoder) reset() {
	clear(e.texts)
	clear(e.answers)
	e.last, e.lastAt = nil, 0
	e.textRows, e.answerRows, e.rows, e.count = e.textRows[:0], e.answerRows[:0], e.rows[:0], 0
	e.seq, e.due, e.gap = 0, 0, 0
}

// answer is the number of an answer. Equal ones at two places get two numbers.
func (e *Encoder) answer(a *Answer) uint64 {
	if a == e.last && a != nil {
		return e.lastAt
	}
	if a == nil {
		a = noAnswer()
	}
	at, known := e.answers[a]
	if !known {
		at = uint64(len(e.answers))
		e.answers[a] = at
		e.addAnswer(a)
	}
	e.last, e.lastAt = a, at
	return at
}

// noAnswer stands for an answer of which nothing is known.
func noAnswer() *Answer { return &Answer{} }

// addAnswer writes an answer's row.
func (e *Encoder) addAnswer(a *Answer) {
	flags := byte(0)
	if a.Skipped {
		flags = 1
	}
	to := binary.AppendVarint(e.answerRows, int64(a.Code))
	to = append(to, byte(a.Class), flags)
	for _, text := range [...]string{a.Error, a.Instance, a.Version, a.Target} {
		to = binary.AppendUvarint(to, e.text(text))
	}
	to = binary.AppendUvarint(to, uint64(len(a.By)))
	for name, value := range a.By {
		to = binary.AppendUvarint(binary.AppendUvarint(to, e.text(name)), e.text(value))
	}
	e.answerRows = to
}

// text is the number of a text.
func (e *Encoder) text(text string) uint64 {
	if text == "" {
		return 0
	}
	at, known := e.texts[text]
	if !known {
		at = uint64(len(e.texts)) + 1
		e.texts[text] = at
		e.textRows = appendText(e.textRows, text)
	}
	return at
}

// appendText appends a text after its length.
func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

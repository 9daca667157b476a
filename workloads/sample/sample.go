// Package sample is how requests are written down: what became of each, exactly,
// in about ten bytes. The generator writes them so to the recorder, and the
// recorder to the record.
//
// A text of samples is the line [Magic] and then frames, one after another: a
// byte that says what it is, its length and its checksum (CRC-32C), both in four
// bytes with the lowest first, and what it holds. Each frame can be read without
// those before it, so that what was written before a writer was killed can be
// read to the last whole frame.
//
// A frame [FrameRequests] holds requests of one load: the load's name; the texts
// that occur in it; the answers that occur in it, each made of numbers and of
// numbers of texts; and a request a row: the number of its answer, and its
// sequence number, due time, send lag and time from sent to done, as differences
// from the row before or within the row. All numbers are varints, those that
// may be negative zigzag.
//
// The package is a leaf: it knows neither who sends nor who judges.
package sample

import (
	"fmt"
	"strings"
	"time"
)

// Magic is the first line of a text of samples. It says which version of the
// format follows.
const Magic = "squall samples 1\n"

// Class is how much of what it asked for an answer gave.
type Class uint8

// The classes. Unclassified is that of all requests of a load that says nothing
// about classes.
const (
	Unclassified Class = iota
	Full
	Degraded
	Failed
)

// String is the class in a word; empty when there is none.
func (c Class) String() string {
	switch c {
	case Unclassified:
		return ""
	case Full:
		return "full"
	case Degraded:
		return "degraded"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Answer is what is the same of many requests. Who has one changes nothing in
// it: many samples share it.
type Answer struct {
	Code     int    // HTTP status; 0 without a complete answer
	Class    Class  // how much of what was asked it gave
	Skipped  bool   // it was due but not sent
	Error    string // why there is no complete answer; empty when there is one
	Instance string // X-Instance of the answer
	Version  string // X-Version of the answer
	Target   string // which target it was drawn to, of several
	// By are values of the answer's headers, as the load asks for them.
	By map[string]string
}

// Sample is what became of one request. All times are offsets of the run.
type Sample struct {
	Seq  uint64
	Due  time.Duration // when it should have left
	Sent time.Duration // when it left, before any dialling; 0 when skipped
	Done time.Duration // when its answer was complete or it failed; 0 when skipped
	*Answer
}

// maxShared bounds the answers that are kept to be shared. Values of headers are
// written by others: there may be a new one in every answer.
const maxShared = 1 << 12

// Shared finds equal answers, so that they are kept once. Its zero value is
// ready.
type Shared struct {
	known  map[shape]*Answer
	labels []byte
}

// shape is an answer that can be a key.
type shape struct {
	code                           int
	class                          Class
	skipped                        bool
	err, instance, version, target string
	labels                         string
}

// Of returns the one copy of the answer that is kept.
func (s *Shared) Of(a Answer) *Answer {
	s.labels = appendLabels(s.labels[:0], a.By)
	if known := s.known[shape{a.Code, a.Class, a.Skipped, a.Error, a.Instance, a.Version, a.Target, string(s.labels)}]; known != nil {
		return known
	}
	if s.known == nil || len(s.known) >= maxShared {
		s.known = map[shape]*Answer{}
	}
	kept := &a
	s.known[shape{a.Code, a.Class, a.Skipped, a.Error, a.Instance, a.Version, a.Target, string(s.labels)}] = kept
	return kept
}

// appendLabels appends what makes equal maps equal texts: the pairs in the order
// of their names.
func appendLabels(to []byte, by map[string]string) []byte {
	if len(by) == 0 {
		return to
	}
	for last, n := "", 0; n < len(by); n++ {
		name, first := "", true
		for one := range by { // they are few: no list of them is made
			if (n == 0 || strings.Compare(one, last) > 0) && (first || one < name) {
				name, first = one, false
			}
		}
		to = appendText(appendText(to, name), by[name])
		last = name
	}
	return to
}

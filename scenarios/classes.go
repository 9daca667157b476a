package scenarios

import (
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
)

// maxMark is the longest text that an answer's body is searched for, in bytes.
const maxMark = 1 << 10

// Classes say how much users get from answers: which of them failed and which
// are degraded. Of the others those with a status in good.status are full.
type Classes struct {
	Failed   *Answer `yaml:"failed,omitempty"`
	Degraded *Answer `yaml:"degraded,omitempty"`
}

// Answer describes answers by what all of them have.
type Answer struct {
	Status Status `yaml:"status,omitempty"`
	// Header are values, by the names of the headers that have them.
	Header map[string]string `yaml:"header,omitempty"`
	// Body is a text that stands in the answer's first 64 KiB.
	Body string `yaml:"body,omitempty"`
}

// Classified tells whether the load's answers are in classes.
func (l Load) Classified() bool {
	return l.Classes != nil || slices.ContainsFunc(l.TargetsOn(), func(t MixedTarget) bool { return t.Classes != nil })
}

// classes checks what tells the classes of answers apart.
func (c *checker) classes(at string, classes *Classes) {
	if classes == nil {
		return
	}
	if classes.Failed == nil && classes.Degraded == nil && c.sound(at) {
		c.report(at, "says nothing; write for example {degraded: {header: {X-Degraded: 'true'}}}", "failed", "degraded")
	}
	c.answer(at+".failed", classes.Failed)
	c.answer(at+".degraded", classes.Degraded)
}

// answer checks one description of answers.
func (c *checker) answer(at string, a *Answer) {
	if a == nil {
		return
	}
	if c.sound(at) && a.Status == "" && len(a.Header) == 0 && a.Body == "" {
		c.report(at, "takes every answer; say what those have that it takes", "status", "header", "body")
	}
	if len(a.Header) > maxHeaders {
		c.report(at+".header", fmt.Sprintf("holds %d headers; at most %d are looked at", len(a.Header), maxHeaders))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		here, value := fieldPath(at+".header", name), a.Header[name]
		switch {
		case !c.sound(here):
		case !headerName(textproto.CanonicalMIMEHeaderKey(name)):
			c.report(here, "is no name of a header: letters, digits, dashes and a few other signs, at most 100")
		case len(value) > maxHeader || strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			c.report(here, fmt.Sprintf("the value of a header is printable ASCII without spaces at its ends, at most %d bytes", maxHeader))
		}
	}
	if len(a.Body) > maxMark {
		c.report(at+".body", fmt.Sprintf("is longer than %d bytes; a text is enough that no other answer has", maxMark))
	}
}

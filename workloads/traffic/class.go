package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"squall/workloads/sample"
)

// ClassBody is how much of an answer's body is looked at to class it, in bytes.
const ClassBody = 64 << 10

// Classes say which answers are failures, which are degraded, and which of the
// others are full. The first that fits counts, in that order; an answer that
// nothing fits failed.
type Classes struct {
	Failed   *Answer `json:"failed,omitempty"`
	Degraded *Answer `json:"degraded,omitempty"`
	Full     string  `json:"full"` // statuses: "200,3xx"
}

// Answer describes answers by what all of them have; what is left out is not
// looked at.
type Answer struct {
	Status string            `json:"status,omitempty"` // statuses: "200,3xx"
	Header map[string]string `json:"header,omitempty"` // values, by the header's name
	Body   string            `json:"body,omitempty"`   // a text in the first [ClassBody] bytes
}

// check says what is wrong with the classes.
func (k *Classes) check() error {
	if k == nil {
		return nil
	}
	wrong := []error{checkStatuses("full", k.Full)}
	for name, a := range map[string]*Answer{"failed": k.Failed, "degraded": k.Degraded} {
		if a == nil {
			continue
		}
		if a.Status == "" && len(a.Header) == 0 && a.Body == "" {
			wrong = append(wrong, fmt.Errorf("class %s fits every answer", name))
		}
		if a.Status != "" {
			wrong = append(wrong, checkStatuses(name, a.Status))
		}
	}
	return errors.Join(wrong...)
}

// checkStatuses says what is wrong with a class's statuses.
func checkStatuses(name, text string) error {
	if !regexp.MustCompile(`^[1-5]([0-9]{2}|xx)(,[1-5]([0-9]{2}|xx))*$`).MatchString(text) {
		return fmt.Errorf("class %s: %q are no statuses", name, text)
	}
	return nil
}

// looksInside tells whether bodies decide.
func (k *Classes) looksInside() bool {
	return k != nil && (k.Failed != nil && k.Failed.Body != "" || k.Degraded != nil && k.Degraded.Body != "")
}

// of is the class of a whole answer. Beginning is that of its body.
func (k *Classes) of(code int, header http.Header, beginning []byte) sample.Class {
	switch {
	case k == nil:
		return sample.Unclassified
	case k.Failed.fits(code, header, beginning):
		return sample.Failed
	case k.Degraded.fits(code, header, beginning):
		return sample.Degraded
	case hasStatus(k.Full, code):
		return sample.Full
	}
	return sample.Failed
}

// failed is the class of a request that has no whole answer.
func (k *Classes) failed() sample.Class {
	if k == nil {
		return sample.Unclassified
	}
	return sample.Failed
}

// fits tells whether an answer is one of those described.
func (a *Answer) fits(code int, header http.Header, beginning []byte) bool {
	if a == nil || a.Status != "" && !hasStatus(a.Status, code) || !bytes.Contains(beginning, []byte(a.Body)) {
		return false
	}
	for name, value := range a.Header {
		if !slices.Contains(header.Values(name), value) {
			return false
		}
	}
	return true
}

// hasStatus tells whether a status is among statuses, codes and classes.
func hasStatus(statuses string, code int) bool {
	exact := strconv.Itoa(code)
	for one := range strings.SplitSeq(statuses, ",") {
		if one == exact || one == exact[:1]+"xx" {
			return true
		}
	}
	return false
}

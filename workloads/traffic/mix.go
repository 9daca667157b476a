package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"squall/workloads/draw"
)

// mix makes the requests of a load: it draws where each goes and fills its
// placeholders, from its number alone.
type mix struct {
	from    draw.Source
	weights []int
	targets []target
}

// target is a target whose texts are read.
type target struct {
	name, method string
	url          *url.URL
	headers      []header
	body         filled
	bodied       bool
	classes      *Classes
}

// header is one header.
type header struct {
	name  string
	value filled
}

// filled is a text and where its placeholders draw from.
type filled struct {
	text draw.Text
	from draw.Source
}

// newMix reads a spec's targets, or says everything that is wrong with them.
func newMix(s Spec) (mix, error) {
	m := mix{from: draw.For(s.Seed, s.Scenario, s.Name, "target")}
	targets := s.Targets
	if len(targets) == 0 {
		targets = []Target{{Weight: 1, Method: s.Method, URL: s.URL, Header: s.Header, Body: s.Body, Classes: s.Classes}}
	} else if s.URL != "" {
		return mix{}, fmt.Errorf("url %q stands beside targets", s.URL)
	}
	var wrong []error
	for _, t := range targets {
		t.Classes = cmp.Or(t.Classes, s.Classes)
		one, err := s.target(t)
		if err == nil && t.Weight < 1 {
			err = fmt.Errorf("target %q has the weight %d", t.Name, t.Weight)
		}
		wrong = append(wrong, err)
		m.targets, m.weights = append(m.targets, one), append(m.weights, t.Weight)
	}
	return m, errors.Join(wrong...)
}

// target reads one target.
func (s Spec) target(t Target) (target, error) {
	var wrong []error
	if t.Method == "" {
		t.Method = http.MethodGet
	}
	one := target{name: t.Name, method: t.Method, bodied: t.Body != "", classes: t.Classes}
	var err error
	if one.url, err = url.Parse(t.URL); err != nil || one.url.Scheme != "http" && one.url.Scheme != "https" || one.url.Hostname() == "" {
		wrong = append(wrong, fmt.Errorf("url %q is not an http URL", t.URL))
	}
	if _, err := http.NewRequest(t.Method, "http://localhost", http.NoBody); err != nil {
		wrong = append(wrong, fmt.Errorf("method %q is not one", t.Method))
	}
	read := func(what, text string) filled {
		parsed, err := draw.Parse(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", what, err))
		}
		purpose := fmt.Sprintf("text %d:%s %s", len(t.Name), t.Name, what)
		return filled{parsed, draw.For(s.Seed, s.Scenario, s.Name, purpose)}
	}
	if err := t.Classes.check(); err != nil {
		wrong = append(wrong, err)
	}
	one.body = read("body", t.Body)
	for name, value := range t.Header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		one.headers = append(one.headers, header{name, read("header "+name, value)})
	}
	return one, errors.Join(wrong...)
}

// of is the target of a request.
func (m mix) of(seq uint64) *target {
	if len(m.targets) == 1 {
		return &m.targets[0]
	}
	return &m.targets[m.from.Pick(seq, m.weights)]
}

// fill makes r, which is the caller's own, request seq to the target.
func (t *target) fill(r *http.Request, seq uint64) {
	where := *t.url
	r.Method, r.URL, r.Host = t.method, &where, ""
	for _, h := range t.headers {
		r.Header.Set(h.name, h.value.text.Fill(h.value.from, seq))
	}
	r.Body, r.GetBody, r.ContentLength = nil, nil, 0
	switch {
	case t.bodied:
		body := t.body.text.Fill(t.body.from, seq)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	case withoutBody(t.method) || repeatable(r.Header):
		r.Body = unrepeatable{}
	}
}

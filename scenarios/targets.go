package scenarios

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"squall/workloads/draw"
)

// Bounds on what a request carries.
const (
	maxWeight  = 10_000
	maxHeaders = 50
	maxHeader  = 4 << 10  // bytes of a value
	maxBody    = 64 << 10 // bytes
)

// Target is the target without name and weight.
func (t MixedTarget) Target() Target {
	return Target{Service: t.Service, Port: t.Port, Scheme: t.Scheme, Path: t.Path, Method: t.Method, Headers: t.Headers, Body: t.Body}
}

// TargetsOn are the targets that requests are drawn to; none where the load has
// just one.
func (l Load) TargetsOn() []MixedTarget {
	return slices.DeleteFunc(slices.Clone(l.Targets), func(t MixedTarget) bool { return !t.On() })
}

// Draws is what decides which of the load's targets a request goes to: its
// weights, and where they are drawn from.
func (s *Scenario) Draws(l Load, seed uint64) (draw.Source, []int) {
	var weights []int
	for _, target := range l.TargetsOn() {
		weights = append(weights, target.Weight)
	}
	return draw.For(seed, s.Metadata.Name, l.Name, "target"), weights
}

// targets checks where a load goes: to one target, or to several.
func (c *checker) targets(at string, l Load) {
	several := at + ".targets"
	if !c.d.has(several) {
		c.target(at+".target", l.Target, l.On())
		return
	}
	if c.d.has(at + ".target") {
		c.report(several, "stands beside target; a load has one target or several")
	}
	var names []string
	on := 0
	for _, t := range l.Targets {
		names = append(names, t.Name)
		if t.On() {
			on++
		}
	}
	c.entryNames(several, names, maxEntries)
	if on == 0 && c.sound(several) {
		c.report(several, "no target is switched on, so nothing would be sent")
	}
	for i, t := range l.Targets {
		here := c.d.entry(several, t.Name, i)
		if c.sound(here+".weight") && (t.Weight < 1 || t.Weight > maxWeight) {
			c.report(here+".weight", fmt.Sprintf("must be from 1 to %d; a target that nothing goes to is switched off with enabled: false", maxWeight))
		}
		c.target(here, t.Target(), l.On() && t.On())
		c.classes(here+".classes", t.Classes)
	}
}

// target checks one target; on is set when requests go to it.
func (c *checker) target(at string, t Target, on bool) {
	if c.need(at+".service", "gateway") && c.need(at+".port", "http") && on {
		c.port(at, t)
	}
	c.scheme(at+".scheme", t.Scheme)
	if c.sound(at+".path") && !requestPath(t.Path) {
		c.report(at+".path", "must be the path of a request: a slash, then what a URL may hold, at most 1024 bytes")
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if c.sound(at+".method") && !slices.Contains(methods, t.Method) {
		c.report(at+".method", "is no HTTP method", methods...)
	}
	c.headers(at+".headers", t.Headers)
	bodiless := []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	switch {
	case t.Body == "" || !c.sound(at+".body"):
	case slices.Contains(bodiless, t.Method):
		c.report(at+".body", "a request with the method "+t.Method+" has no body; say the method, for example POST")
	case len(t.Body) > maxBody:
		c.report(at+".body", fmt.Sprintf("is longer than %d bytes", maxBody))
	default:
		c.placeholders(at+".body", t.Body)
	}
}

// requestPath tells whether text can stand in a request line.
func requestPath(text string) bool {
	if len(text) > 1024 || !strings.HasPrefix(text, "/") || strings.ContainsAny(text, "# ") {
		return false
	}
	_, err := url.ParseRequestURI(text)
	return err == nil
}

// headers checks the names and values of a request's headers.
func (c *checker) headers(at string, headers map[string]string) {
	if len(headers) > maxHeaders {
		c.report(at, fmt.Sprintf("holds %d headers; at most %d are sent", len(headers), maxHeaders))
	}
	first := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		here, value := fieldPath(at, name), headers[name]
		known := textproto.CanonicalMIMEHeaderKey(name)
		switch problem := headerProblem(known); {
		case !c.sound(here):
			continue
		case problem != "":
			c.report(here, problem)
		case first[known] != "":
			c.report(here, fmt.Sprintf("is the header %s again, whose name does not tell capitals from small letters", quote(first[known])))
		case len(value) > maxHeader || strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			c.report(here, fmt.Sprintf("the value of a header is printable ASCII without spaces at its ends, at most %d bytes", maxHeader))
		default:
			c.placeholders(here, value)
		}
		first[known] = name
	}
}

// placeholders checks those of a text.
func (c *checker) placeholders(at, text string) {
	if _, err := draw.Parse(text); err != nil {
		c.report(at, err.Error())
	}
}

// headerProblem says why a header of this name, in its usual capitals, cannot be
// sent.
func headerProblem(name string) string {
	switch name {
	case "Host":
		return "the host is the Service's own name, which says where the request goes"
	case "Content-Length", "Transfer-Encoding", "Trailer":
		return "is told by the body, whose length is known"
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Upgrade", "Expect":
		return "is about the connection to the next hop, which is the generator's to keep"
	case "Authorization", "Proxy-Authorization", "Cookie", "Proxy-Authenticate":
		return "carries a secret, and the scenario is written into every record; not in this version of Squall"
	case "X-Request-Id", "X-Vegeta-Seq", "X-Vegeta-Attack":
		return "is the generator's own: it names the load and the number of the request"
	}
	if !headerName(name) {
		return "is no name of a header: letters, digits, dashes and a few other signs, at most 100"
	}
	return ""
}

// headerName tells whether a header can have this name.
func headerName(name string) bool {
	return regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$").MatchString(name)
}

package run

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"squall/reports"

	corev1 "k8s.io/api/core/v1"
)

const (
	// redacted stands where something secret was.
	redacted = "[redacted]"
	// shortestSecret is the length below which a value is no secret: taking out
	// every "1" would spoil all that is written and hide nothing.
	shortestSecret = 4
	// shortestLine is the same for one line of a value of many.
	shortestLine = 8
)

// redactor takes out of texts what must never reach the disk: the values of the
// Secrets that it has seen, plain or encoded, and whatever looks like a token.
// What it saw once it knows for good. The zero value knows the looks alone.
type redactor struct {
	mu     sync.Mutex
	values map[string]bool
	known  *strings.Replacer // made when it is needed; nil when it is out of date
}

// seeSecret learns the values of a Secret.
func (r *redactor) seeSecret(secret *corev1.Secret, _ bool) {
	for _, value := range secret.Data {
		r.learn(string(value))
	}
	for _, value := range secret.StringData {
		r.learn(value)
	}
}

// learn learns a value and, of one with several lines, each of them: logs are
// written by the line.
func (r *redactor) learn(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = map[string]bool{}
	}
	add := func(one string, shortest int) {
		if len(one) >= shortest && !r.values[one] {
			r.values[one], r.known = true, nil
		}
	}
	add(value, shortestSecret)
	add(strings.TrimSpace(value), shortestSecret)
	if strings.Contains(strings.TrimSpace(value), "\n") {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") { // a head that all keys have
				add(line, shortestLine)
			}
		}
	}
}

// text is a text without what is secret.
func (r *redactor) text(s string) string {
	s = r.replacer().Replace(s)
	folded := strings.ToLower(s)
	for _, look := range looks() {
		if strings.Contains(folded, look.mark) { // most have none, and searching is faster
			s = look.pattern.ReplaceAllString(s, "${1}"+redacted)
		}
	}
	return s
}

// replacer takes out the values, the longest first where several begin.
func (r *redactor) replacer() *strings.Replacer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known != nil {
		return r.known
	}
	var all []string
	for value := range r.values {
		all = append(all, forms(value)...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(all) {
		pairs = append(pairs, form, redacted)
	}
	r.known = strings.NewReplacer(pairs...)
	return r.known
}

// forms are a value as it may be written: plain, as JSON, Go and URLs escape it,
// and in base64, at each of the three places that it may have in a longer text.
func forms(value string) []string {
	raw := []byte(value)
	all := []string{
		value, url.QueryEscape(value), url.PathEscape(value),
		base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
	}
	for _, quoted := range []string{strconv.Quote(value), jsonText(value, true), jsonText(value, false)} {
		all = append(all, quoted[1:len(quoted)-1])
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString(append(bytes.Repeat([]byte{0}, before), value...))
			text = text[(before*8+5)/6:] // without what others share
			if (before+len(value))%3 != 0 {
				text = text[:len(text)-1]
			}
			if len(text) >= shortestSecret {
				all = append(all, text)
			}
		}
	}
	return all
}

// jsonText is a value as JSON writes it, with or without care for HTML.
func jsonText(value string, html bool) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(html)
	_ = encoder.Encode(value) // text can always be written
	return strings.TrimSuffix(b.String(), "\n")
}

// looks are what gives a secret away that no Secret holds: what follows an
// Authorization header's name, a bearer token, a JSON Web Token.
var looks = sync.OnceValue(func() []look {
	return []look{
		{"authorization", regexp.MustCompile(`(?i)(\bauthorization\W{1,6})[^\r\n]+`)},
		{"bearer", regexp.MustCompile(`(?i)(\bbearer\W{1,4})[\w.~+/=-]{4,}`)},
		{"eyj", regexp.MustCompile(`()\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?`)},
	}
})

// look is a pattern that no text has which lacks its mark, in lower case.
type look struct {
	mark    string
	pattern *regexp.Regexp
}

// entry is an entry whose free texts, which others may have written, are
// redacted.
func (r *redactor) entry(e reports.Entry) reports.Entry {
	switch {
	case e.Trouble != nil:
		trouble := *e.Trouble
		trouble.What = r.text(trouble.What)
		e.Trouble = &trouble
	case e.Event != nil && e.Event.Detail != "":
		event := *e.Event
		event.Detail = r.text(event.Detail)
		e.Event = &event
	case e.Notice != nil:
		notice := *e.Notice
		notice.Message = r.text(notice.Message)
		e.Notice = &notice
	case e.Usage != nil && e.Usage.Unread != "":
		usage := *e.Usage
		usage.Unread = r.text(usage.Unread)
		e.Usage = &usage
	case e.Log != nil && e.Log.Unread != "":
		log := *e.Log
		log.Unread = r.text(log.Unread)
		e.Log = &log
	}
	return e
}

// redact is an entry as it may be written.
func (r *recorder) redact(e reports.Entry) reports.Entry {
	if r == nil { // the record has just begun
		return e
	}
	return r.secrets.entry(e)
}

package reports

import (
	"bytes"
	"encoding/json"
)

// cursor reads the plain JSON that a Writer makes of requests, from left to
// right. Once something is not as expected it has failed, and reads nothing.
type cursor struct {
	rest   []byte
	failed bool
	names  map[string]string
	maps   map[string]map[string]string
}

// next tells whether s comes next.
func (c *cursor) next(s string) bool {
	return !c.failed && len(c.rest) >= len(s) && string(c.rest[:len(s)]) == s
}

// skip steps over s, which must come next.
func (c *cursor) skip(s string) {
	if !c.next(s) {
		c.failed = true
		return
	}
	c.rest = c.rest[len(s):]
}

// number reads a whole number of up to 18 digits after the text before it.
func (c *cursor) number(before string) int64 {
	c.skip(before)
	if c.failed {
		return 0
	}
	i, negative := 0, len(c.rest) > 0 && c.rest[0] == '-'
	if negative {
		i = 1
	}
	first, n := i, int64(0)
	for ; i < len(c.rest) && c.rest[i] >= '0' && c.rest[i] <= '9'; i++ {
		n = n*10 + int64(c.rest[i]-'0')
		if i-first >= 18 {
			c.failed = true
			return 0
		}
	}
	if i == first || c.rest[first] == '0' && i > first+1 { // JSON has no 007
		c.failed = true
		return 0
	}
	c.rest = c.rest[i:]
	if negative {
		return -n
	}
	return n
}

// text reads a string of plain ASCII after the text before it.
func (c *cursor) text(before string) string {
	c.skip(before)
	if c.failed || len(c.rest) == 0 || c.rest[0] != '"' {
		c.failed = true
		return ""
	}
	end := bytes.IndexByte(c.rest[1:], '"')
	if end < 0 {
		c.failed = true
		return ""
	}
	text := c.rest[1 : 1+end]
	for _, b := range text {
		if b == '\\' || b < 0x20 || b > 0x7e {
			c.failed = true
			return ""
		}
	}
	c.rest = c.rest[2+end:]
	return c.once(text)
}

// once returns the one copy of the text that is kept.
func (c *cursor) once(text []byte) string {
	if kept, ok := c.names[string(text)]; ok {
		return kept
	}
	s := string(text)
	if len(c.names) < 1<<16 { // texts that never repeat gain nothing
		c.names[s] = s
	}
	return s
}

// labels reads a map of texts after the text before it. Equal ones are one map.
func (c *cursor) labels(before string) map[string]string {
	c.skip(before)
	end := bytes.IndexByte(c.rest, '}') // of one inside a text no JSON is left
	if c.failed || end < 0 || c.rest[0] != '{' {
		c.failed = true
		return nil
	}
	raw := c.rest[:end+1]
	c.rest = c.rest[end+1:]
	if kept, ok := c.maps[string(raw)]; ok {
		return kept
	}
	var labels map[string]string
	if json.Unmarshal(raw, &labels) != nil {
		c.failed = true
		return nil
	}
	if len(c.maps) < 1<<16 {
		c.maps[string(raw)] = labels
	}
	return labels
}

package draw

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// maxHex is how many hexadecimal digits one placeholder draws at most.
const maxHex = 64

// Text is text with placeholders:
//
//	${seq}        the request's number, from 0
//	${int(A,B)}   a drawn whole number from A to B
//	${hex(N)}     N drawn hexadecimal digits, from 1 to 64
//	$${           ${ itself
type Text struct{ parts []part }

// part is plain text, or a placeholder when kind is not empty.
type part struct {
	kind  string // seq, int, hex
	plain string
	from  int64
	span  uint64 // how many numbers, or digits
}

// Parse reads text with placeholders.
func Parse(text string) (Text, error) {
	var t Text
	for text != "" {
		at := strings.Index(text, "${")
		switch {
		case at < 0:
			t.parts = append(t.parts, part{plain: text})
			return t, nil
		case at > 0 && text[at-1] == '$':
			t.parts = append(t.parts, part{plain: text[:at-1] + "${"})
			text = text[at+2:]
			continue
		case at > 0:
			t.parts = append(t.parts, part{plain: text[:at]})
		}
		inside, rest, ok := strings.Cut(text[at+2:], "}")
		if !ok {
			return Text{}, errors.New("a placeholder has no }; a ${ that is none is written $${")
		}
		one, err := placeholder(inside)
		if err != nil {
			return Text{}, err
		}
		t.parts, text = append(t.parts, one), rest
	}
	return t, nil
}

// placeholder reads what stands between the braces.
func placeholder(inside string) (part, error) {
	wrong := fmt.Errorf("there is no placeholder ${%.40s}; there are ${seq}, ${int(A,B)} and ${hex(N)}, and $${ for ${ itself", inside)
	if inside == "seq" {
		return part{kind: "seq"}, nil
	}
	if m := regexp.MustCompile(`^hex\(([0-9]{1,9})\)$`).FindStringSubmatch(inside); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil || n < 1 || n > maxHex {
			return part{}, fmt.Errorf("${%s}: from 1 to %d digits are drawn", inside, maxHex)
		}
		return part{kind: "hex", span: n}, nil
	}
	m := regexp.MustCompile(`^int\((-?[0-9]{1,18}), ?(-?[0-9]{1,18})\)$`).FindStringSubmatch(inside)
	if m == nil {
		return part{}, wrong
	}
	from, err := strconv.ParseInt(m[1], 10, 64)
	to, other := strconv.ParseInt(m[2], 10, 64)
	if err != nil || other != nil || to < from {
		return part{}, fmt.Errorf("${%s}: the second number is below the first; the smaller one comes first", inside)
	}
	return part{kind: "int", from: from, span: uint64(to-from) + 1}, nil
}

// Plain tells whether the text has no placeholder.
func (t Text) Plain() bool {
	for _, one := range t.parts {
		if one.kind != "" {
			return false
		}
	}
	return true
}

// Fill is the text of request n, with its placeholders drawn in their order.
func (t Text) Fill(from Source, n uint64) string {
	var b strings.Builder
	drawn := from.request(n)
	for _, one := range t.parts {
		switch one.kind {
		case "seq":
			b.WriteString(strconv.FormatUint(n, 10))
		case "int":
			b.WriteString(strconv.FormatInt(one.from+int64(below(drawn, one.span)), 10))
		case "hex":
			b.WriteString(digits(drawn, one.span))
		default:
			b.WriteString(one.plain)
		}
	}
	return b.String()
}

// digits draws hexadecimal digits.
func digits(from *rand.PCG, count uint64) string {
	var text string
	for uint64(len(text)) < count {
		text += fmt.Sprintf("%016x", from.Uint64())
	}
	return text[:count]
}

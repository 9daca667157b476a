package reports

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Duration writes d for people: three digits or so, and "never" for [Never].
func Duration(d Offset) string {
	switch abs := d.Abs(); {
	case d == Never:
		return "never"
	case abs >= time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case abs >= 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case abs >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + "s"
	case abs >= 10*time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1e3, 'f', 0, 64) + "ms"
	case abs >= time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1e3, 'f', 1, 64) + "ms"
	case abs >= time.Microsecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	}
	return d.String()
}

// clean makes a text that others wrote safe to show on one line of a terminal:
// what is not printable (escape sequences, newlines, marks that turn the
// writing direction) is shown as Go would write it.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

func isPlain(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// clip shortens s to at most width characters, the last of them an ellipsis
// when something was cut. A width of 0 or less means no limit.
func clip(s string, width int) string {
	if width <= 0 || utf8.RuneCountInString(s) <= width {
		return s
	}
	runes := []rune(s)
	return string(runes[:width-1]) + "…"
}

// pad fills s with spaces up to width characters, on the right, or on the left
// for a negative width.
func pad(s string, width int) string {
	left := width < 0
	if left {
		width = -width
	}
	fill := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	if left {
		return fill + s
	}
	return s + fill
}

// wrap breaks s into lines of at most width characters, between words where it
// can. A width of 0 or less means one line.
func wrap(s string, width int) []string {
	if width <= 0 {
		return []string{s}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		for {
			joined := word
			if line != "" {
				joined = line + " " + word
			}
			if utf8.RuneCountInString(joined) <= width {
				line = joined
				break
			}
			if line != "" {
				lines, line = append(lines, line), ""
				continue
			}
			runes := []rune(word)
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
	}
	return append(lines, line)
}

package traffic

import (
	"fmt"
	"net/http"
	"strings"
)

// maxValue is how much of a header's value is told, in bytes.
const maxValue = 64

// valuesOf are the values of an answer's headers, by the names under which they
// are asked for.
func valuesOf(answer http.Header, by map[string]string) map[string]string {
	var values map[string]string
	for name, header := range by {
		if value := answer.Get(header); value != "" {
			if values == nil {
				values = map[string]string{}
			}
			values[name] = harmless(value)
		}
	}
	return values
}

// harmless is a value that somebody else wrote, bounded, in printable ASCII:
// other bytes, and the backslash, are written \xNN.
func harmless(value string) string {
	var b strings.Builder
	for _, one := range []byte(value[:min(len(value), maxValue)]) {
		if one < ' ' || one > '~' || one == '\\' {
			fmt.Fprintf(&b, `\x%02x`, one)
			continue
		}
		b.WriteByte(one)
	}
	return b.String()
}

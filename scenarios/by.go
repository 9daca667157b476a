package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxBy is how many things answers may be told apart by: each costs every
// recorded request.
const maxBy = 8

// byHeader is what a source of an answer's value begins with.
const byHeader = "header/"

// ByHeaders are the names of the answer's headers by which the load's results
// are told apart, by the name of each.
func (l Load) ByHeaders() map[string]string {
	if len(l.By) == 0 {
		return nil
	}
	headers := make(map[string]string, len(l.By))
	for name, source := range l.By {
		headers[name] = strings.TrimPrefix(source, byHeader)
	}
	return headers
}

// by checks what answers are told apart by.
func (c *checker) by(at string, by map[string]string) {
	if len(by) > maxBy {
		c.report(at, fmt.Sprintf("holds %d entries; at most %d are recorded with each request", len(by), maxBy))
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		here := fieldPath(at, name)
		header, ok := strings.CutPrefix(by[name], byHeader)
		switch problem := nameProblem(name); {
		case !c.sound(here):
		case problem != "":
			c.report(here, problem)
		case !ok || !headerName(header):
			c.report(here, "must name a header of the answer, for example header/X-Version")
		}
	}
}

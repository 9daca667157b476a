package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// GeneratorEntry is what a load's generator tells of its own runtime, about once a
// second.
type GeneratorEntry struct {
	Load string `json:"load"`
	// Pauses are collections of garbage since it told before.
	Pauses []Pause `json:"pauses,omitempty"`
}

// The errors of requests that failed for want of something on the generator's own
// host.
const (
	NoFreePort   = "no free port"
	TooManyFiles = "too many open files"
	OutOfMemory  = "out of memory"
)

// Pause is one collection of garbage, which stopped the whole process.
type Pause struct {
	At   Offset `json:"at"`   // when it ended
	Took Offset `json:"took"` // for how long nothing else ran
}

// GeneratorMeasure is what a load's generator did in one phase, or in the whole
// run.
type GeneratorMeasure struct {
	Load   string `json:"load"`
	Window string `json:"window"` // a phase, or "run"
	LagP99 Offset `json:"lagP99"` // send lag: sent - due
	LagMax Offset `json:"lagMax"`
	// CPU is of the whole run alone; nil where the record does not tell.
	CPU *Offset `json:"cpu,omitempty"`
	// Pauses are nil where the record does not tell.
	Pauses *Pauses `json:"pauses,omitempty"`
	// Errors count requests that got no answer, by kind.
	Errors map[string]uint64 `json:"errors,omitempty"`
}

// Pauses are the collections of garbage of a stretch of time.
type Pauses struct {
	Count   uint64 `json:"count"`
	Total   Offset `json:"total"`
	Longest Offset `json:"longest"`
}

// generators writes a line a load.
func (t *text) generators(all []GeneratorMeasure) {
	for _, g := range all {
		if g.Window != "run" {
			continue
		}
		parts := []string{
			"generator " + clean(g.Load),
			fmt.Sprintf("send lag p99 %s, at most %s", Duration(g.LagP99), Duration(g.LagMax)),
		}
		if g.CPU != nil {
			parts = append(parts, "CPU "+Duration(*g.CPU))
		}
		if p := g.Pauses; p != nil {
			parts = append(parts, fmt.Sprintf("%d GCs paused it for %s, at most %s", p.Count, Duration(p.Total), Duration(p.Longest)))
		}
		parts = append(parts, errorsOf(g.Errors))
		t.para(2, strings.Join(parts, " · "), dim)
	}
}

// errorsOf are errors by kind, the most frequent first.
func errorsOf(errors map[string]uint64) string {
	if len(errors) == 0 {
		return "no errors of sockets"
	}
	kinds := slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(errors[b], errors[a]), cmp.Compare(a, b))
	})
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", errors[kind], clean(kind))
	}
	return "errors: " + strings.Join(kinds, ", ")
}

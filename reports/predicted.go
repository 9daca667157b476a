package reports

import (
	"fmt"
	"strings"
)

// Predicted is the window in which a measure of an event had to lie by
// Kubernetes' own timers, beside what was measured.
type Predicted struct {
	Measure string `json:"measure"` // "healed"
	Least   Offset `json:"least"`
	Most    Offset `json:"most"`
	// Never is true when it was not to come by itself, Why says why.
	Never bool   `json:"never,omitempty"`
	Why   string `json:"why,omitempty"`
	// Terms add up to the window.
	Terms []PredictedTerm `json:"terms,omitempty"`
	// Measured is nil when it is not known.
	Measured *Offset `json:"measured,omitempty"`
	// Inside tells whether Measured is as predicted.
	Inside bool `json:"inside"`
}

// PredictedTerm is one part of a window.
type PredictedTerm struct {
	Name  string `json:"name"`
	Least Offset `json:"least"`
	Most  Offset `json:"most"`
	From  string `json:"from"` // the flag, field or constant that it comes from
}

// predictions writes those that came true in one line, and each other with its terms.
func (t *text) predictions(all []Predicted) {
	var inside []string
	for _, p := range all {
		if p.Inside && !p.Never {
			inside = append(inside, fmt.Sprintf("%s in %s (%s)", clean(p.Measure), Duration(*p.Measured), span(p.Least, p.Most)))
		}
	}
	if len(inside) > 0 {
		t.para(4, "as Kubernetes' timers have it: "+strings.Join(inside, ", "), dim)
	}
	for _, p := range all {
		if !p.Inside || p.Never {
			t.predicted(p)
		}
	}
}

// predicted writes one prediction, with its terms when the measure lies outside.
func (t *text) predicted(p Predicted) {
	head, with := clean(p.Measure)+" was to come in "+span(p.Least, p.Most)+" by Kubernetes' timers", dim
	if p.Never {
		head = clean(p.Measure) + " was never to come: " + clean(p.Why)
	}
	switch {
	case p.Measured == nil:
		head += ", and was not measured"
	case !p.Inside:
		head, with = head+": it was not, "+took(clean(p.Measure), *p.Measured), yellow
	}
	t.para(4, head, with)
	if p.Measured == nil || p.Inside {
		return
	}
	var terms []string
	for _, term := range p.Terms {
		terms = append(terms, fmt.Sprintf("%s %s (%s)", clean(term.Name), span(term.Least, term.Most), clean(term.From)))
	}
	if len(terms) > 0 {
		t.para(6, strings.Join(terms, " + "), dim)
	}
}

// span is a window in words.
func span(least, most Offset) string {
	if least == most {
		return Duration(most)
	}
	return Duration(least) + " to " + Duration(most)
}

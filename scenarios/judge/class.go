package judge

import (
	"fmt"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads/sample"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// classesOf are the classes of answers that measures count.
func classesOf() []sample.Class {
	return []sample.Class{sample.Full, sample.Degraded, sample.Failed}
}

// shareOf is the name of the measure that is a class's share.
func shareOf(c sample.Class) string { return c.String() + "_share" }

// classFields are the measures of classes: how many requests are in each, and
// their share.
func classFields() (all []field) {
	for _, class := range classesOf() {
		all = append(all, field{name: class.String(), typ: types.IntType, get: func(target any) (ref.Val, *absence) {
			n, _, gone := target.(*window).inClass(class)
			return types.Int(n), gone
		}})
	}
	for _, class := range classesOf() {
		all = append(all, field{name: shareOf(class), typ: types.DoubleType, single: true, get: func(target any) (ref.Val, *absence) {
			n, sent, gone := target.(*window).inClass(class)
			return types.Double(float64(n) / float64(sent)), gone
		}})
	}
	return all
}

// isOfClass tells whether a measure is about a class.
func isOfClass(measure string) bool {
	for _, class := range classesOf() {
		if measure == class.String() || measure == shareOf(class) {
			return true
		}
	}
	return false
}

// inClass is how many of the sent requests that w sees are in a class. It is
// absent where none was sent, and where one of them has no class.
func (w *window) inClass(class sample.Class) (n, sent int, gone *absence) {
	all, gone := w.series()
	if gone != nil {
		return 0, 0, gone
	}
	for _, s := range all {
		if !s.load.Classified() {
			return 0, 0, absent("the load %q has no classes", s.load.Name)
		}
		counts := s.classes(w.from, w.to)
		if unknown := counts[sample.Unclassified]; unknown > 0 {
			return 0, 0, absent("%d requests of load %q in %s have no class in the record", unknown, s.load.Name, w.name)
		}
		n += counts[class]
		for _, count := range counts {
			sent += count
		}
	}
	if sent == 0 {
		return 0, 0, w.empty()
	}
	return n, sent, nil
}

// classes counts the sent requests due in [from, to) by their class.
func (s *series) classes(from, to reports.Offset) map[sample.Class]int {
	counts := map[sample.Class]int{}
	first, end := s.between(from, to)
	for _, one := range s.samples[first:end] {
		if one.result != skipped {
			counts[one.class]++
		}
	}
	return counts
}

// classCounts are those of a window as the reports show them; nil for a load
// without classes.
func (s *series) classCounts(w *window) *reports.ClassCounts {
	if !s.load.Classified() {
		return nil
	}
	counts := s.classes(w.from, w.to)
	return &reports.ClassCounts{
		Full: uint64(counts[sample.Full]), Degraded: uint64(counts[sample.Degraded]), Failed: uint64(counts[sample.Failed]),
	}
}

// unclassified finds measures of classes over a load that has none.
func (c *names) unclassified(e, window ast.Expr, measure string) {
	typeName := c.ast.GetType(window.ID()).TypeName()
	if typeName != typeWindow && typeName != typeEvent || !isOfClass(measure) {
		return
	}
	var over []scenarios.Load
	switch load, count := c.loadOf(window); count {
	case 0: // said where the load is named, or where the loads are
	case 1:
		over = append(over, load)
	default:
		over = c.scenario.Spec.Load
	}
	for _, load := range over {
		if load.Classified() || len(over) > 1 && !load.On() {
			continue
		}
		c.wrong(e, fmt.Sprintf("%s: the load %q has no classes; give it some, for example classes: {degraded: {header: {X-Degraded: 'true'}}}", measure, load.Name))
	}
}

// classWords are what the measures of classes are, and an expectation that uses
// one.
func classWords(measure string) (says, example string) {
	switch measure {
	case "window.full":
		return "Requests whose answers were whole: complete, with a status in `good.status`, and neither failed nor degraded by the load's `classes`. When " +
			"they came is not asked: a full answer that is late is bad. Absent when nothing was sent.", "fault.full >= 1500"
	case "window.degraded":
		return "Requests whose answers users get less from, by the load's `classes`. They are good when their status and time are. Absent when nothing was sent.",
			"fault.degraded <= 200"
	case "window.failed":
		return "Requests that got no complete answer, one that the load's `classes` call failed, or one with a status outside `good.status` that they do not " +
			"call degraded. Absent when nothing was sent.", "fault.failed == 0"
	case "window.full_share":
		return "full / (full + degraded + failed).", "fault.full_share >= 0.9"
	case "window.degraded_share":
		return "degraded / (full + degraded + failed).", "fault.degraded_share <= 0.25"
	case "window.failed_share":
		return "failed / (full + degraded + failed).", "fault.failed_share <= 0.001"
	}
	return "", ""
}

// classClause says what a measure of classes came to.
func classClause(name, text string, value ref.Val) string {
	did := map[string]string{
		"full": "answered in full", "degraded": "answered in a degraded way", "failed": "answered with nothing of use",
	}
	for _, class := range classesOf() {
		switch {
		case name == class.String() && value == types.Int(1):
			return "1 request was " + did[name]
		case name == class.String():
			return text + " requests were " + did[name]
		case name == shareOf(class):
			return text + " of the requests were " + did[class.String()]
		}
	}
	return ""
}

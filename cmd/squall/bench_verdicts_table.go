package main

import (
	"fmt"
	"slices"
	"strings"

	"squall/reports"
)

// verdictTable writes, for each scenario or twin and each provider, what the runs
// came to and what was measured, in Markdown, and whether providers agree.
func verdictTable(providers []string, all []reports.Verdict) string {
	var b strings.Builder
	b.WriteString("| scenario | provider | verdicts | lost | healed | recovery |\n| --- | --- | --- | --- | --- | --- |\n")
	agree := true
	for _, name := range inOrder(all, caseOf) {
		var first []string
		for i, provider := range providers {
			vs := slices.DeleteFunc(slices.Clone(all), func(v reports.Verdict) bool { return caseOf(v) != name || v.Provider != provider })
			outcomes := inOrder(vs, outcomeOf)
			slices.Sort(outcomes)
			if i == 0 {
				first = outcomes
			}
			agree = agree && len(outcomes) == 1 && slices.Equal(first, outcomes)
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, provider, counted(vs), lostIn(vs),
				offsets(vs, func(e reports.EventMeasure) *reports.Offset { return e.Healed }),
				offsets(vs, func(e reports.EventMeasure) *reports.Offset { return e.Recovery }))
		}
	}
	if agree {
		b.WriteString("\nAll runs of each came to the same verdict, on every provider.\n")
	} else {
		b.WriteString("\nNot all runs of each came to the same verdict.\n")
	}
	return b.String()
}

// inOrder are the values that there are, in the order in which they come.
func inOrder(vs []reports.Verdict, of func(reports.Verdict) string) []string {
	var all []string
	for _, v := range vs {
		if s := of(v); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// counted says how often there was which outcome.
func counted(vs []reports.Verdict) string {
	n := map[string]int{}
	for _, v := range vs {
		n[outcomeOf(v)]++
	}
	var parts []string
	for _, outcome := range inOrder(vs, outcomeOf) {
		parts = append(parts, fmt.Sprintf("%d %s", n[outcome], outcome))
	}
	return orDash(strings.Join(parts, "; "))
}

// lostIn is how many requests were lost in the fault windows of the runs, of all
// loads.
func lostIn(vs []reports.Verdict) string {
	var lost []uint64
	for _, v := range vs {
		var n uint64
		for _, w := range v.Windows {
			if w.Window == "fault" {
				n += w.Lost
			}
		}
		lost = append(lost, n)
	}
	return spreadOf(lost, func(n uint64) string { return fmt.Sprint(n) })
}

// offsets is a measure of the runs' events; what is not known of one is left out.
func offsets(vs []reports.Verdict, of func(reports.EventMeasure) *reports.Offset) string {
	var known []reports.Offset
	for _, v := range vs {
		for _, e := range v.Events {
			if d := of(e); d != nil {
				known = append(known, *d)
			}
		}
	}
	return spreadOf(known, reports.Duration)
}

// spreadOf is the lower median of values, with the least and the largest where
// they differ; a dash without any. No value is computed with: what never happened
// is one, too.
func spreadOf[T uint64 | reports.Offset](values []T, show func(T) string) string {
	if len(values) == 0 {
		return "–"
	}
	slices.Sort(values)
	median, least, most := show(values[(len(values)-1)/2]), show(values[0]), show(values[len(values)-1])
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s to %s)", median, least, most)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

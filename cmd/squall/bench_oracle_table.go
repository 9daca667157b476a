package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"squall/reports"
	"squall/scenarios/oracle"
)

// wilson is the 95 % interval of a share of which good of n were seen: the score
// interval (E. B. Wilson, Journal of the American Statistical Association 22, 1927,
// pages 209 to 212). It holds its level also where nearly all are good, where the
// usual one of share ± 1.96 standard errors has no width.
func wilson(good, n int) (least, most float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964 // the normal distribution's 97.5 % point
	size, share := float64(n), float64(good)/float64(n)
	middle := share + z*z/(2*size)
	half := z * math.Sqrt(share*(1-share)/size+z*z/(4*size*size))
	return max(0, (middle-half)/(1+z*z/size)), min(1, (middle+half)/(1+z*z/size))
}

// shareOf is a share with its interval, for people.
func shareOf(good, n int) string {
	if n == 0 {
		return "–"
	}
	least, most := wilson(good, n)
	return fmt.Sprintf("%.1f %% (%.1f to %.1f %%)", 100*float64(good)/float64(n), 100*least, 100*most)
}

// oracleMeasures are what windows are predicted for.
func oracleMeasures() []string {
	return []string{string(oracle.Detected), string(oracle.Withdrawn), string(oracle.Healed)}
}

// oracleTable writes what the lines of the file come to, in Markdown. What was not
// measured or not predicted in a conclusive run counts as not inside.
func oracleTable(lines []oracleRun) string {
	runs := lastJudged(lines)
	if len(runs) == 0 {
		return "No run yet.\n"
	}
	var b strings.Builder
	b.WriteString("| fault | timers | measure | runs | inside | share (95 %) | measured: least, median, largest | window |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var cases []oracleCase
	for _, r := range runs {
		if !slices.Contains(cases, r.oracleCase) {
			cases = append(cases, r.oracleCase)
		}
	}
	slices.SortFunc(cases, func(x, y oracleCase) int {
		return strings.Compare(x.Shift+"/"+x.Kind+"/"+x.Timers, y.Shift+"/"+y.Kind+"/"+y.Timers)
	})
	for _, k := range cases {
		oracleRows(&b, k, conclusiveOf(runs, k))
	}
	b.WriteString("\nThe interval is Wilson's score interval. ")
	b.WriteString(oracleTotals(lines))
	oracleLines(&b, runs)
	return b.String()
}

// conclusiveOf are the conclusive runs of a case.
func conclusiveOf(runs []oracleRun, k oracleCase) []oracleRun {
	return slices.DeleteFunc(slices.Clone(runs), func(r oracleRun) bool { return r.oracleCase != k || !r.conclusive() })
}

// oracleRows writes the rows of a case: one a measure, and one for all of them.
func oracleRows(b *strings.Builder, k oracleCase, runs []oracleRun) {
	timers := k.Timers
	if k.Shift != "" {
		timers += ", in truth `" + k.Shift + "`"
	}
	row := func(measure string, inside int, measured, window string) {
		fmt.Fprintf(b, "| %s | %s | %s | %d | %d | %s | %s | %s |\n", k.Kind, timers, measure, len(runs), inside, shareOf(inside, len(runs)), measured, window)
	}
	for _, measure := range oracleMeasures() {
		inside := 0
		var measured []reports.Offset
		var windows []string
		for _, r := range runs {
			p := r.reading(measure)
			if p == nil {
				continue
			}
			if p.Measured != nil {
				measured = append(measured, *p.Measured)
			}
			if p.Inside {
				inside++
			}
			if w := reports.Duration(p.Least) + " to " + reports.Duration(p.Most); !slices.Contains(windows, w) {
				windows = append(windows, w)
			}
		}
		row(measure, inside, threeOf(measured), orDash(strings.Join(windows, "; ")))
	}
	row("all three", countRuns(runs, oracleRun.inside), "", "")
}

// reading is what was read of a measure; nil when nothing was predicted.
func (r oracleRun) reading(measure string) *reports.Predicted {
	for i := range r.Readings {
		if r.Readings[i].Measure == measure {
			return &r.Readings[i]
		}
	}
	return nil
}

// inside tells whether all readings lay in their windows.
func (r oracleRun) inside() bool {
	for _, measure := range oracleMeasures() {
		if p := r.reading(measure); p == nil || !p.Inside {
			return false
		}
	}
	return true
}

func countRuns(runs []oracleRun, is func(oracleRun) bool) (n int) {
	for _, r := range runs {
		if is(r) {
			n++
		}
	}
	return n
}

// threeOf are the least, the lower median and the largest of what was measured.
func threeOf(measured []reports.Offset) string {
	if len(measured) == 0 {
		return "–"
	}
	slices.Sort(measured)
	return fmt.Sprintf("%s, %s, %s", reports.Duration(measured[0]), reports.Duration(measured[(len(measured)-1)/2]), reports.Duration(measured[len(measured)-1]))
}

// totals are counts over conclusive runs whose flags were as told.
type totals struct{ readings, readingsInside, runs, runsInside int }

func totalsOf(runs []oracleRun) (t totals) {
	for _, r := range runs {
		if r.Shift != "" || !r.conclusive() {
			continue
		}
		if t.runs++; r.inside() {
			t.runsInside++
		}
		for _, measure := range oracleMeasures() {
			t.readings++
			if p := r.reading(measure); p != nil && p.Inside {
				t.readingsInside++
			}
		}
	}
	return t
}

// String has the interval of runs alone: the readings of one hang together.
func (t totals) String() string {
	return fmt.Sprintf("%d of %d readings lay inside, and of %d runs %d with all of theirs: %s", t.readingsInside, t.readings, t.runs, t.runsInside, shareOf(t.runsInside, t.runs))
}

// oracleTotals are the shares over all runs, as judged first and last, and what they
// ran on.
func oracleTotals(lines []oracleRun) string {
	var b strings.Builder
	runs := lastJudged(lines)
	if all := totalsOf(runs); all.runs > 0 {
		fmt.Fprintf(&b, "Without a shifted flag %s.\n", all)
		if slices.ContainsFunc(lines, func(r oracleRun) bool { return r.Again }) {
			fmt.Fprintf(&b, "As they were judged when they were made, %s.\n", totalsOf(firstJudged(lines)))
		}
	} else {
		b.WriteString("All conclusive runs were with a shifted flag.\n")
	}
	var versions, beside []string
	for _, r := range runs {
		if v := strings.TrimSpace(r.Provider + " " + r.Kubernetes); r.Kubernetes != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
		if n := fmt.Sprint(r.SideBySide); !slices.Contains(beside, n) {
			beside = append(beside, n)
		}
	}
	slices.Sort(beside)
	fmt.Fprintf(&b, "Clusters: %s; at once: %s.\n", orDash(strings.Join(versions, ", ")), strings.Join(beside, ", "))
	return b.String()
}

// oracleLines writes a line for each reading outside and each inconclusive run.
func oracleLines(b *strings.Builder, runs []oracleRun) {
	var outside, rest []string
	for _, r := range runs {
		if !r.conclusive() {
			rest = append(rest, fmt.Sprintf("- %s, seed %d: %s: %s", r.oracleCase, r.Seed, r.Outcome, orDash(strings.Join(r.Reasons, "; "))))
			continue
		}
		for _, measure := range oracleMeasures() {
			if why := r.outside(measure); why != "" {
				outside = append(outside, fmt.Sprintf("- %s, seed %d: %s", r.oracleCase, r.Seed, why))
			}
		}
	}
	section := func(head string, all []string) {
		if len(all) > 0 {
			fmt.Fprintf(b, "\n%s (%d):\n\n%s\n", head, len(all), strings.Join(all, "\n"))
		}
	}
	section("Readings outside, and the term that was wrong", outside)
	section("Runs that showed nothing, and count for nothing above", rest)
}

// outside says why a reading counts as not inside; empty when it is.
func (r oracleRun) outside(measure string) string {
	for i, p := range r.Readings {
		if p.Measure != measure {
			continue
		}
		if p.Inside {
			return ""
		}
		text := measure
		if p.Measured != nil {
			text += " in " + reports.Duration(*p.Measured)
		}
		return text + ", " + reports.Blame(r.Readings, i)
	}
	return fmt.Sprintf("%s: nothing was predicted: %s", measure, orDash(r.Unpredicted))
}

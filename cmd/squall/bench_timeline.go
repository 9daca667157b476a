package main

import (
	"cmp"
	"fmt"
	"slices"
	"text/tabwriter"
)

// showStarts prints what was measured.
func (c *cli) showStarts(sorts []string, against string, results map[string][]startResult) error {
	prepared := results[sortPrepared]
	fmt.Fprintf(c.stdout, "%d starts of each sort: median (least to largest)\n\n", len(results[sorts[0]]))
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "SORT\tREADY\tSERVING\tCPU\tTEARDOWN\tRATIO")
	for _, sort := range sorts {
		r := results[sort]
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", sort,
			shown(r, "s", func(r startResult) float64 { return r.ready }),
			shown(r, "s", func(r startResult) float64 { return r.serving }),
			shown(r, "s", func(r startResult) float64 { return r.cpu }),
			shown(r, "s", func(r startResult) float64 { return r.teardown }),
			ratio(r, results[against], sort == against))
	}
	if len(prepared) > 0 {
		fmt.Fprintf(out, "\nmemory\t%s\tsupervisor, janitor and this command together\n",
			shown(prepared, "MB", func(r startResult) float64 { return r.memory }))
		fmt.Fprintf(out, "nodes\t%s\twhat Squall itself runs in the nodes, all together\n",
			shown(prepared, "MB", func(r startResult) float64 { return r.nodes }))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return c.showTimeline(prepared)
}

// showTimeline prints when the last node reached each point, in order.
func (c *cli) showTimeline(prepared []startResult) error {
	reached := map[string]sample{}
	for _, r := range prepared {
		last := map[string]float64{}
		for _, m := range r.milestones {
			last[m.What] = max(last[m.What], m.After.Seconds())
		}
		for what, at := range last {
			reached[what] = append(reached[what], at)
		}
	}
	points := make([]string, 0, len(reached))
	for what := range reached {
		points = append(points, what)
	}
	slices.SortFunc(points, func(a, b string) int {
		return cmp.Or(cmp.Compare(reached[a].median(), reached[b].median()), cmp.Compare(a, b))
	})
	if len(points) == 0 {
		return nil
	}
	fmt.Fprintf(c.stdout, "\nwhere the seconds of %q go\n", sortPrepared)
	out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	for _, what := range points {
		fmt.Fprintf(out, "  %s\t%s\n", reached[what].spread("s"), what)
	}
	return out.Flush()
}

// shown is one measure of some starts; a dash when the sort does not have it.
func shown(results []startResult, unit string, of func(startResult) float64) string {
	var s sample
	for _, r := range results {
		s = append(s, of(r))
	}
	if s.median() == 0 {
		return "-"
	}
	return s.spread(unit)
}

// ratio compares a sort with another, start by start, since the two that
// followed each other saw the most similar machine. A bare control plane, which
// serves no shop, is compared by when it was ready.
func ratio(results, against []startResult, same bool) string {
	if len(against) == 0 || same {
		return "-"
	}
	var s sample
	for i, r := range results {
		if base := against[i]; r.serving == 0 || base.serving == 0 {
			s = append(s, r.ready/base.ready)
		} else {
			s = append(s, r.serving/base.serving)
		}
	}
	return s.spread("x")
}

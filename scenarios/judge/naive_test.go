package judge_test

import (
	"fmt"
	"time"

	"squall/reports"
)

// truths are all measures of the script, each computed as its definition in
// docs/measures.md reads, with nothing of the judge's.
func (s *script) truths() (all []truth) {
	for _, w := range s.windows() {
		hits := w.hits()
		add := func(name, call string, want func() string) {
			all = append(all, truth{"window." + name, w.expr + "." + call, want})
		}
		// or adds one that is absent when nothing was sent.
		or := func(name, call string, want func() string) {
			add(name, call, func() string {
				if count(hits, "good")+count(hits, "bad") == 0 {
					return "absent"
				}
				return want()
			})
		}
		requests := func() string { return fmt.Sprint(count(hits, "good") + count(hits, "bad")) }
		add("requests", "requests", requests)
		add("good", "good", func() string { return fmt.Sprint(count(hits, "good")) })
		add("skipped", "skipped", func() string { return fmt.Sprint(count(hits, "skipped")) })
		or("lost", "lost", func() string { return fmt.Sprint(count(hits, "bad")) })
		for _, class := range []string{"full", "degraded", "failed"} {
			or(class, class, func() string { return fmt.Sprint(len(ofClass(hits, class))) })
		}
		all = append(all, truth{"." + w.measure, w.expr + ".requests", requests})
		all = append(all, s.workloadTruths(w)...)
		if len(w.loads) > 1 {
			continue // the others have no meaning over several
		}
		for _, target := range []string{"list", "order"} {
			add("target(t)", fmt.Sprintf("target(%q).good", target), func() string {
				return fmt.Sprint(count(only(hits, func(one hit) bool { return one.target == target }), "good"))
			})
		}
		for _, version := range []string{"v1", "v2", ""} {
			add("by(k, v)", fmt.Sprintf(`by("version", %q).requests`, version), func() string {
				those := only(hits, func(one hit) bool { return one.version == version })
				return fmt.Sprint(count(those, "good") + count(those, "bad"))
			})
		}
		for _, class := range []string{"full", "degraded", "failed"} {
			or(class+"_share", class+"_share", func() string {
				return fmt.Sprintf("%.9g", float64(len(ofClass(hits, class)))/float64(count(hits, "good")+count(hits, "bad")))
			})
			add("by(k, v)", fmt.Sprintf(`by("version", "v2").target("list").%s`, class), func() string {
				those := only(hits, func(one hit) bool { return one.version == "v2" && one.target == "list" })
				if count(those, "good")+count(those, "bad") == 0 {
					return "absent"
				}
				return fmt.Sprint(len(ofClass(those, class)))
			})
		}
		or("availability", "availability", func() string { return share(hits) })
		or("longest_outage", "longest_outage", func() string { return duration(outage(hits, w.to)) })
		for _, q := range []struct {
			name, call string
			tenths     int
		}{{"p50", "p50", 500}, {"p90", "p90", 900}, {"p99", "p99", 990}, {"max", "max", 1000}, {"p(x)", "p(99.9)", 999}, {"p(x)", "p(12.5)", 125}} {
			or(q.name, q.call, func() string { return duration(rank(hits, q.tenths)) })
		}
		for _, d := range []time.Duration{200 * ms, sec, 2500 * ms} {
			if d <= w.scenarioLength {
				or("worst(d)", fmt.Sprintf("worst(duration(%q))", d), func() string { return worst(hits, w.from, w.to, d) })
			}
		}
		for _, permille := range []int{500, 900, 999} {
			or("budget_left(x)", fmt.Sprintf("budget_left(%v)", float64(permille)/1000), func() string { return budget(hits, permille) })
		}
	}
	return append(all, s.eventTruths()...)
}

// span is a window of the script.
type span struct {
	script         *script
	measure, expr  string
	from, to       time.Duration
	loads          []string
	scenarioLength time.Duration // up to which worst(d) passes the check
}

func (s *script) windows() (all []span) {
	quiet := s.starts["quiet"]
	for _, w := range []span{
		{measure: "steady", from: s.starts["steady"], to: s.starts["fault"]},
		{measure: "fault", from: s.starts["fault"], to: s.starts["recovery"]},
		{measure: "recovery", from: s.starts["recovery"], to: quiet},
		{measure: "run", from: s.starts["warmup"], to: quiet},
		{measure: "event(e)", expr: `event("kill")`, from: s.killed, to: quiet},
		{measure: "window(a, b)", expr: `window("kill", "second")`, from: s.killed, to: s.second},
	} {
		if w.expr == "" {
			w.expr = w.measure
		}
		w.script, w.loads, w.scenarioLength = s, s.loads, 3*sec
		all = append(all, w)
		one := w
		one.expr, one.loads = `load("browse").`+w.expr, s.loads[:1]
		all = append(all, one)
	}
	return all
}

// hits are the requests due in the window.
func (w span) hits() (all []hit) {
	for _, load := range w.loads {
		for _, one := range w.script.hits[load] {
			if one.due >= w.from && one.due < w.to {
				all = append(all, one)
			}
		}
	}
	return all
}

func count(hits []hit, result string) (n int) {
	for _, one := range hits {
		if one.result == result {
			n++
		}
	}
	return n
}

// only are the hits that match.
func only(hits []hit, match func(hit) bool) (all []hit) {
	for _, one := range hits {
		if match(one) {
			all = append(all, one)
		}
	}
	return all
}

// ofClass are the hits in a class.
func ofClass(hits []hit, class string) []hit {
	return only(hits, func(one hit) bool { return one.class == class })
}

func within(hits []hit, from, to time.Duration) (all []hit) {
	for _, one := range hits {
		if one.due >= from && one.due < to {
			all = append(all, one)
		}
	}
	return all
}

func share(hits []hit) string {
	goods, lost := count(hits, "good"), count(hits, "bad")
	return fmt.Sprintf("%.9g", float64(goods)/float64(goods+lost))
}

func duration(d time.Duration) string {
	if d == reports.Never {
		return "never"
	}
	return d.String()
}

// outage: for each bad request, until the next good one or the end.
func outage(hits []hit, to time.Duration) (longest time.Duration) {
	for i, one := range hits {
		if one.result != "bad" {
			continue
		}
		until := to
		for _, later := range hits[i:] {
			if later.result == "good" {
				until = later.due
				break
			}
		}
		longest = max(longest, until-one.due)
	}
	return longest
}

// rank: the smallest latency that at least so many thousandths do not exceed.
func rank(hits []hit, thousandths int) time.Duration {
	smallest := time.Duration(1 << 62)
	tried := map[time.Duration]bool{}
	for _, one := range hits {
		if one.result == "skipped" || tried[one.took] {
			continue
		}
		tried[one.took] = true
		notAbove, sent := 0, 0
		for _, other := range hits {
			if other.result != "skipped" {
				sent++
				if other.took <= one.took {
					notAbove++
				}
			}
		}
		if notAbove*1000 >= thousandths*sent {
			smallest = min(smallest, one.took)
		}
	}
	return smallest
}

// worst: every start, a tick apart, since nothing in a script is closer.
func worst(hits []hit, from, to, d time.Duration) string {
	lowest, found := 1.0, false
	for start := from; start+d <= to; start += tick {
		some := within(hits, start, start+d)
		if goods, lost := count(some, "good"), count(some, "bad"); goods+lost > 0 {
			lowest, found = min(lowest, float64(goods)/float64(goods+lost)), true
		}
	}
	if !found {
		return "absent"
	}
	return fmt.Sprintf("%.9g", lowest)
}

func budget(hits []hit, permille int) string {
	lost := count(hits, "bad")
	allowed := (1000 - permille) * (count(hits, "good") + lost)
	return fmt.Sprintf("%.9g", float64(allowed-1000*lost)/float64(allowed))
}

package plan

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"squall/scenarios"
)

// shownCandidates is how many candidates the table shows of one event.
const shownCandidates = 12

// Text writes the plan as a table for people.
func (p Plan) Text(w io.Writer) error {
	title := p.Scenario
	if p.Twin != "" {
		title += ", twin " + strconv.Quote(p.Twin)
	}
	if p.Calm {
		title += ", calm"
	}
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(out, "plan of %s\nseed %d, squall %s, digest %.12s\n\n", title, p.Seed, p.Squall, p.Digest)
	fmt.Fprintln(out, "PHASE\tFROM\tTO")
	for _, phase := range p.Phases {
		fmt.Fprintf(out, "%s\t%s\t%s\n", phase.Name, phase.From, phase.To)
	}
	fmt.Fprintln(out, "\nLOAD\tRATE\tFROM\tTO")
	for _, load := range p.Loads {
		load.text(out)
	}
	p.targets(out)
	fmt.Fprintln(out)
	if len(p.Events) == 0 {
		fmt.Fprintln(out, "no events")
		return out.Flush()
	}
	fmt.Fprintln(out, "EVENT\tAT\tFAULT OR STEP\tHITS\tOF, IN THIS ORDER")
	for _, event := range p.Events {
		if len(event.Candidates) == 0 {
			fmt.Fprintf(out, "%s\t%s\t%s\n", event.Name, event.trigger(), event.Step)
			continue
		}
		takes := order(event.Candidates)
		if event.Victims != "" {
			takes += ", " + event.Victims
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", event.Name, event.trigger(), event.Fault+event.Step, event.Count, takes)
	}
	return out.Flush()
}

// text writes a load as a row, or as a row a leg.
func (l Load) text(out io.Writer) {
	if len(l.Legs) == 0 {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", l.Name, perSecond(l.Rate), l.From, l.To)
		return
	}
	name := l.Name
	for _, leg := range l.Legs {
		rate := perSecond(leg.Begins)
		if leg.Ends != leg.Begins {
			rate += " to " + perSecond(leg.Ends)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", name, rate, leg.From, leg.To)
		name = ""
	}
	fmt.Fprintf(out, "\t%d requests\n", l.Requests)
}

// targets writes where requests are drawn to, of loads that have several targets.
func (p Plan) targets(out io.Writer) {
	title := "\nLOAD\tTARGET\tWEIGHT\tSENDS\n"
	for _, load := range p.Loads {
		total := 0
		for _, target := range load.Targets {
			total += target.Weight
		}
		for _, target := range load.Targets {
			fmt.Fprintf(out, "%s%s\t%s\t%d of %d\t%s\n", title, load.Name, target.Name, target.Weight, total, target.Sends)
			title = ""
		}
	}
}

// perSecond is a rate as a scenario writes it.
func perSecond(rate float64) string { return scenarios.Rate(rate).String() }

// String says how many are hit, in words.
func (c Count) String() string {
	switch c.Mode {
	case "all":
		return "all"
	case "fixed-percent", "random-max-percent":
		return fmt.Sprintf("%d %%", c.Percent)
	}
	return strconv.Itoa(c.Pods)
}

// order lists candidates, the first few of many.
func order(candidates []Candidate) string {
	var list []string
	for i, c := range candidates {
		if i == shownCandidates {
			list = append(list, fmt.Sprintf("and %d more", len(candidates)-i))
			break
		}
		list = append(list, fmt.Sprintf("%s/%d", c.Role, c.Ordinal))
	}
	return strings.Join(list, " ")
}

package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr,omitempty"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	uncounted  string          // why nothing in it counts
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Skipped *junitProblem `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the verdicts as JUnit XML: a testsuite for each, in it a
// testcase for each expectation with its numbers, and one named "verdict" for
// the run as a whole. A twin's case fails when the twin did not break what it
// is to break, so that a suite whose twins are as designed is green. What could
// not be judged is an error and not a failure. A vacuous twin has a failing case
// "vacuous"; what is false in a calm run is no failure, and what a verdict that
// does not count would complain of is skipped: a report is as red as the exit
// code.
func JUnit(w io.Writer, vs []Verdict) error {
	all := junitSuites{Name: xmlText(Overall(vs))}
	for i := range vs {
		suite := junitOf(&vs[i])
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write the verdicts as JUnit: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("write the verdicts as JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write the verdicts as JUnit: %w", err)
	}
	return nil
}

func junitOf(v *Verdict) junitSuite {
	name := v.Scenario
	if v.Twin != "" {
		name += "/" + v.Twin
	}
	if v.Calm {
		name += " (calm)"
	}
	s := junitSuite{
		Name: xmlText(name),
		Time: fmt.Sprintf("%.3f", v.Took.Seconds()),
		Properties: []junitProperty{
			{"promise", xmlText(v.Promise)},
			{"kubernetes", xmlText(v.Kubernetes)},
			{"provider", xmlText(v.Provider)},
			{"timers", xmlText(v.Timers)},
			{"seed", fmt.Sprint(v.Seed)},
			{"outcome", string(v.Outcome)},
		},
	}
	if v.NodeImage != "" {
		s.Properties = append(s.Properties, junitProperty{"nodeImage", xmlText(v.NodeImage)})
	}
	if len(v.Vacuous) > 0 { // before uncounted is set: it counts whatever the run came to
		s.add(junitVacuous(v))
	}
	if v.Uncounted != "" {
		s.uncounted = xmlText(v.Uncounted)
	}
	s.add(junitVerdict(v))
	for i := range v.Steady {
		c := junitFinding(&v.Steady[i])
		c.Name = "steady: " + c.Name
		if f := c.Failure; f != nil { // without a steady state nothing was tested
			c.Failure, c.Error = nil, f
		}
		s.add(c)
	}
	for i := range v.Expect {
		s.add(junitExpect(v, &v.Expect[i]))
	}
	return s
}

// junitVacuous is the case of a twin that proves nothing.
func junitVacuous(v *Verdict) junitCase {
	names := xmlText(strings.Join(v.Vacuous, ", "))
	return junitCase{Name: "vacuous", Failure: &junitProblem{Message: "its patch alone breaks [" + names + "], without any fault: it proves nothing"}}
}

// junitExpect is the case of one expectation, in the light of the verdict.
func junitExpect(v *Verdict, f *Finding) junitCase {
	c := junitFinding(f)
	if v.Twin != "" {
		junitTwin(&c, f, !v.Calm && slices.Contains(v.Breaks, f.Name))
	}
	switch {
	case v.Calm && c.Error != nil: // what needs an event counts for nothing
		c.Skipped, c.Error = &junitProblem{Message: c.Error.Message}, nil
	case c.Failure != nil && (v.Outcome == Inconclusive || v.Outcome == Error):
		c.Error, c.Failure = c.Failure, nil // nothing was proven
	case v.Calm && c.Failure != nil: // only what a twin's patch alone breaks counts
		c.Failure = nil
		c.Out += "false, which counts for nothing in a calm run\n"
	}
	return c
}

func (s *junitSuite) add(c junitCase) {
	if s.uncounted != "" && (c.Failure != nil || c.Error != nil) {
		c.Failure, c.Error, c.Skipped = nil, nil, &junitProblem{Message: s.uncounted}
	}
	c.Class = s.Name
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// junitVerdict is the case for the run as a whole.
func junitVerdict(v *Verdict) junitCase {
	c := junitCase{Name: "verdict", Out: junitNumbers(v)}
	problem := &junitProblem{Message: xmlText(status(v)), Text: xmlText(strings.Join(v.Reasons, "\n"))}
	switch {
	case v.Reason != "":
		problem.Message = xmlText(v.Reason)
		c.Out = problem.Message + "\n" + c.Out
	case v.Designed != nil:
		problem.Message = xmlText(designed(v))
	}
	_, with := look(v)
	switch {
	case v.Outcome == Inconclusive || v.Outcome == Error:
		c.Error = problem
	case with != green && !v.Calm: // a calm run may fail: see judge.Vacuous
		c.Failure = problem
	}
	return c
}

// junitNumbers are the windows and events as lines of text.
func junitNumbers(v *Verdict) string {
	var b strings.Builder
	for _, w := range v.Windows {
		fmt.Fprintf(&b, "%s %s: sent %d, lost %d, skipped %d, p50 %s, p99 %s, longest outage %s\n",
			w.Window, w.Load, w.Requests, w.Lost, w.Skipped, Duration(w.P50), Duration(w.P99), Duration(w.Outage))
	}
	for _, e := range v.Events {
		if e.Step != "" {
			fmt.Fprintf(&b, "step %s (%s) at %s, done: %t", e.Name, e.Step, Duration(e.At), e.Bitten)
		} else {
			fmt.Fprintf(&b, "event %s (%s) at %s, bitten: %t", e.Name, e.Fault, Duration(e.At), e.Bitten)
		}
		if e.Healed != nil {
			b.WriteString(", " + took("healed", *e.Healed))
		}
		if e.Recovery != nil {
			b.WriteString(", " + took("recovered", *e.Recovery))
		}
		if e.Rolled != nil {
			b.WriteString(", " + took("rolled out", *e.Rolled))
		}
		if e.Drained != nil {
			b.WriteString(", " + took("drained", *e.Drained))
		}
		b.WriteString("\n")
	}
	return xmlText(b.String())
}

// junitFinding is the case of one expectation of a scenario.
func junitFinding(f *Finding) junitCase {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", f.That)
	for _, value := range f.Values {
		fmt.Fprintf(&b, "%s = %s\n", value.Expr, value.Value)
	}
	if f.Broke != nil {
		fmt.Fprintf(&b, "broke %s, at %s of the run\n", f.Broke.Says, Duration(f.Broke.At))
		for _, line := range f.Broke.lines() {
			b.WriteString("  " + line + "\n")
		}
	}
	c := junitCase{Name: xmlText(f.Name), Out: xmlText(b.String())}
	switch {
	case f.Held == nil:
		c.Error = &junitProblem{Message: xmlText("cannot be told: " + f.Why), Text: c.Out}
	case !*f.Held:
		message := "false: " + f.That
		if f.Says != "" {
			message = f.Says
		}
		c.Failure = &junitProblem{Message: xmlText(message), Text: c.Out}
	}
	return c
}

// junitTwin turns the case of an expectation into that of a twin: one that must
// break fails when it held, all others are told for the record only.
func junitTwin(c *junitCase, f *Finding, mustBreak bool) {
	switch {
	case !mustBreak:
		c.Failure, c.Error = nil, nil
	case f.Held == nil: // stays an error
	case *f.Held:
		c.Failure = &junitProblem{Message: xmlText("held, and this twin is to break it: " + f.That), Text: c.Out}
	default:
		c.Failure = nil
		c.Out += "broken, as designed\n"
	}
}

// xmlText replaces what XML 1.0 cannot hold even escaped, control characters
// above all, by what Go would write for it.
func xmlText(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' || r == '\t' || r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f) && r != 0xfffe && r != 0xffff:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

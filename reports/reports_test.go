package reports_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "make it with -update")
	assert.Equal(t, string(want), string(got))
}

func ptr[T any](v T) *T { return &v }

// verdicts are one of each outcome, twins and a calm run among them.
func verdicts() []reports.Verdict {
	base := reports.Verdict{
		Scenario: "pod-kill", Promise: "P02", Kubernetes: "v1.36.3", Provider: "embedded",
		Timers: "stock", Seed: 7, Took: 41234 * time.Millisecond,
	}
	steady := []reports.Finding{{Name: "served", That: "steady.lost == 0", Held: ptr(true),
		Values: []reports.Value{{Expr: "steady.lost", Value: "0"}}}}
	barely := reports.Finding{Name: "users barely notice", That: "fault.lost <= 100", Held: ptr(true),
		Values: []reports.Value{{Expr: "fault.lost", Value: "3"}}}
	healed := reports.Finding{Name: "healed", That: `event("kill").healed <= duration("15s")`, Held: ptr(true),
		Values: []reports.Value{{Expr: `event("kill").healed`, Value: "3.421s"}}}
	event := reports.EventMeasure{
		Name: "kill", Fault: "PodChaos pod-kill", At: 15 * time.Second, Bitten: true,
		Evidence: "the watch saw pod catalog-7d-abc gone after 32 ms; its node runs no process of it",
		Victims:  []reports.Victim{{Role: "catalog", Ordinal: 1, Pod: "shop/catalog-7d-abc", UID: "u", Node: "worker-2"}},
		Healed:   ptr(3421 * time.Millisecond), Recovery: ptr(time.Duration(0)),
	}
	windows := []reports.WindowMeasure{
		{Window: "steady", Load: "browse", Requests: 1400, Good: 1400, Availability: 1,
			P50: 2100 * time.Microsecond, P99: 8310 * time.Microsecond},
		{Window: "fault", Load: "browse", Requests: 2000, Good: 1997, Lost: 3, Availability: 0.9985,
			P50: 2200 * time.Microsecond, P99: 12 * time.Millisecond, Outage: 10 * time.Millisecond},
	}
	pass := base
	pass.Outcome, pass.Steady, pass.Windows, pass.Events = reports.Pass, steady, windows, []reports.EventMeasure{event}
	pass.Expect = []reports.Finding{barely, healed}
	pass.Reason = "pass: both expectations held."

	fail := pass
	fail.Outcome, fail.Reasons = reports.Fail, []string{`"healed" is false`}
	slow := healed
	slow.Held, slow.Values = ptr(false), []reports.Value{{Expr: `event("kill").healed`, Value: "never"}}
	slow.Says = "kill was never healed, at most 15s was promised"
	slow.Broke = &reports.Break{At: 30 * time.Second, Says: "15.0s after kill", More: 2, Near: []reports.Nearby{
		{At: 29 * time.Second, What: "pod shop/catalog-7d-xyz: restarted, 3 in all, not ready, CrashLoopBackOff"},
		{At: 30*time.Second + 40*time.Millisecond, What: "endpoints of shop/catalog: -catalog-7d-xyz, 0 ready"},
	}, Log: []reports.LogLine{{At: 28900 * time.Millisecond, Pod: "shop/catalog-7d-xyz", Of: "catalog-7d-xyz/shop before its restart", Text: "panic: no such table"}}}
	fail.Reason = "fail: healed: kill was never healed, at most 15s was promised; it broke 15.0s after kill."
	unknown := reports.Finding{Name: "gateway", That: `workload("gateway").ready == 1`, Why: "the record does not show it",
		Values: []reports.Value{{Expr: `workload("gateway").ready`, Value: "absent: the record does not show it"}}}
	fail.Expect = []reports.Finding{barely, slow, unknown}
	never := event
	never.Healed, never.Recovery = ptr(reports.Never), ptr(reports.Never)
	fail.Events = []reports.EventMeasure{never}

	lost := barely
	lost.Held, lost.Values = ptr(false), []reports.Value{{Expr: "fault.lost", Value: "812"}}
	twin := pass
	twin.Twin, twin.Outcome, twin.Expect = "one replica", reports.Fail, []reports.Finding{lost, healed}
	twin.Breaks, twin.Designed, twin.Reasons = []string{"users barely notice"}, ptr(true), []string{`"users barely notice" is false`}

	twin.Reason = "as designed: the twin broke users barely notice: 812 requests were lost in fault, at most 100 were promised."

	odd := twin
	odd.Twin, odd.Designed, odd.Outcome, odd.Reasons = "bare pods", ptr(false), reports.Pass, nil
	odd.Expect = []reports.Finding{barely, healed}
	odd.Reason = "not as designed: the twin did not break users barely notice: 3 requests were lost in fault, at most 100 were promised."

	unclear := pass
	unclear.Outcome, unclear.Reasons = reports.Inconclusive, []string{`event "kill" did not bite: the pod was still there after 10 s`}
	unclear.Reason = `inconclusive: event "kill" did not bite: the pod was still there after 10 s; look at what the event was aimed at, put that right and run it again.`
	unclear.Events = []reports.EventMeasure{{Name: "kill", Fault: "PodChaos pod-kill", At: 15 * time.Second}}

	broken := base
	broken.Outcome, broken.Reasons = reports.Error, []string{"the recorder lost its watch"}

	calm := base
	calm.Calm, calm.Outcome, calm.Steady, calm.Expect = true, reports.Pass, steady, []reports.Finding{barely}
	calm.Provider, calm.NodeImage = "kind", "kindest/node:v1.36.4@sha256:099e"
	return []reports.Verdict{pass, fail, twin, odd, unclear, broken, calm}
}

func TestGoldenReports(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, reports.Text(&b, verdicts(), reports.TextOptions{Width: 100}))
	golden(t, "wide.txt.golden", b.Bytes())
	b.Reset()
	require.NoError(t, reports.Text(&b, verdicts()[:3], reports.TextOptions{Width: 60}))
	golden(t, "narrow.txt.golden", b.Bytes())
	b.Reset()
	require.NoError(t, reports.Text(&b, verdicts()[1:2], reports.TextOptions{}))
	golden(t, "file.txt.golden", b.Bytes())
	b.Reset()
	require.NoError(t, reports.Text(&b, verdicts()[1:3], reports.TextOptions{Color: true, Width: 100}))
	golden(t, "color.txt.golden", b.Bytes())
	b.Reset()
	require.NoError(t, reports.JSON(&b, verdicts()[1:3]))
	golden(t, "verdicts.json.golden", b.Bytes())
	b.Reset()
	require.NoError(t, reports.JUnit(&b, verdicts()))
	golden(t, "junit.xml.golden", b.Bytes())
}

func TestNothingJudged(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, reports.JSON(&b, nil))
	assert.Equal(t, "[]\n", b.String())
	b.Reset()
	require.NoError(t, reports.JUnit(&b, nil))
	require.NoError(t, xml.Unmarshal(b.Bytes(), new(any)))
}

func TestTextFitsTheTerminal(t *testing.T) {
	ansi := regexp.MustCompile("\x1b\\[[0-9]+m")
	for _, width := range []int{40, 55, 72, 80, 120} {
		var b bytes.Buffer
		vs := append(verdicts(), hostile())
		require.NoError(t, reports.Text(&b, vs, reports.TextOptions{Color: true, Width: width}))
		for line := range strings.Lines(b.String()) {
			line = ansi.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
			assert.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
		}
	}
}

const nasty = "\x1b[2J\x1b]0;owned\a\r\nPASS \u202e\x00\x7f\u0085\xff]]> <b>&amp;\"' \ufffe"

// hostile has nasty text wherever others can put text.
func hostile() reports.Verdict {
	finding := reports.Finding{Name: nasty, That: nasty, Held: ptr(false), Why: nasty, Says: nasty,
		Broke:  &reports.Break{Says: nasty, Near: []reports.Nearby{{What: nasty}}, Log: []reports.LogLine{{Of: nasty, Text: nasty}}},
		Values: []reports.Value{{Expr: nasty, Value: nasty}}}
	long := finding
	long.Name, long.Held = strings.Repeat(nasty, 20), ptr(true)
	return reports.Verdict{
		Scenario: nasty, Twin: nasty, Promise: nasty, Kubernetes: nasty, Provider: nasty, Timers: nasty,
		Reason: nasty, Outcome: reports.Fail, Reasons: []string{nasty}, Steady: []reports.Finding{finding},
		Expect: []reports.Finding{finding, long}, Breaks: []string{nasty}, Designed: ptr(false),
		Windows: []reports.WindowMeasure{{Window: nasty, Load: nasty}},
		Events: []reports.EventMeasure{{Name: nasty, Fault: nasty, Evidence: nasty,
			Victims: []reports.Victim{{Role: nasty, Pod: nasty, Node: nasty}}}},
	}
}

func TestUntrustedTextCannotBreakText(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, reports.Text(&b, []reports.Verdict{hostile(), hostile()}, reports.TextOptions{}))
	out := b.String()
	assert.True(t, utf8.ValidString(out))
	for _, r := range strings.ReplaceAll(out, "\n", "") {
		assert.True(t, unicode.IsPrint(r), "%U", r)
	}
	for line := range strings.Lines(out) {
		assert.False(t, strings.HasPrefix(line, "PASS"), "a line of its own making")
	}
	assert.Contains(t, out, `\x1b[2J`, "it is shown, not hidden")
}

func TestUntrustedTextCannotBreakJUnit(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, reports.JUnit(&b, []reports.Verdict{hostile()}))
	var back struct {
		Suites []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Out     string    `xml:"system-out"`
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	decoder := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	decoder.Strict = true
	require.NoError(t, decoder.Decode(&back))
	require.Len(t, back.Suites, 1)
	assert.Len(t, back.Suites[0].Cases, 4)
	assert.Contains(t, back.Suites[0].Name, `\u001b[2J`)
	assert.Contains(t, back.Suites[0].Name, `]]> <b>&amp;"'`, "kept as it is, once read back")
	assert.NotContains(t, b.String(), "\uFFFD", "nothing is lost")
	assert.NotContains(t, b.String(), "\u0085", "not a control character, though XML would allow it")
}

func TestUntrustedTextCannotBreakJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, reports.JSON(&b, []reports.Verdict{hostile()}))
	var back []reports.Verdict
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	assert.Equal(t, strings.ToValidUTF8(nasty, "\uFFFD"), back[0].Scenario)
	assert.NotContains(t, b.String(), "\x1b")
}

func TestJUnitCountsOnlyWhatIsProven(t *testing.T) {
	count := func(v reports.Verdict) (failures, problems, skipped int) {
		var b bytes.Buffer
		require.NoError(t, reports.JUnit(&b, []reports.Verdict{v}))
		out := b.String()
		return strings.Count(out, "<failure"), strings.Count(out, "<error"), strings.Count(out, "<skipped")
	}
	all := verdicts()
	fail, twin := all[1], all[2]
	f, e, s := count(fail)
	assert.Equal(t, []int{2, 1, 0}, []int{f, e, s}, "the verdict, a false and an unknown expectation")
	fail.Outcome = reports.Inconclusive
	f, e, s = count(fail)
	assert.Equal(t, []int{0, 3, 0}, []int{f, e, s}, "in an unsound run nothing failed")
	fail.Outcome, fail.Calm = reports.Fail, true
	f, e, s = count(fail)
	assert.Equal(t, []int{0, 0, 1}, []int{f, e, s}, "what a calm run cannot tell is skipped, what is false there counts for nothing")
	f, e, s = count(twin)
	assert.Equal(t, []int{0, 0, 0}, []int{f, e, s}, "as designed")
	twin.Calm, twin.Designed = true, nil
	f, e, s = count(twin)
	assert.Equal(t, []int{0, 0, 0}, []int{f, e, s}, "a calm twin is judged by the suite")
	twin.Vacuous = []string{"users barely notice"}
	f, e, s = count(twin)
	assert.Equal(t, []int{1, 0, 0}, []int{f, e, s}, "a vacuous twin proves nothing")
	fail.Outcome, fail.Calm, fail.Uncounted = reports.Inconclusive, false, "it was run again"
	f, e, s = count(fail)
	assert.Equal(t, []int{0, 0, 3}, []int{f, e, s}, "what does not count is skipped")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAWriterThatFailsIsTold(t *testing.T) {
	assert.ErrorContains(t, reports.Text(brokenPipe{}, verdicts(), reports.TextOptions{}), "broken pipe")
	assert.ErrorContains(t, reports.JSON(brokenPipe{}, verdicts()), "broken pipe")
	assert.ErrorContains(t, reports.JUnit(brokenPipe{}, verdicts()), "broken pipe")
	var _ io.Writer = brokenPipe{}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 42: "42ns", 42 * time.Microsecond: "42µs", 1500 * time.Microsecond: "1.5ms",
		12345 * time.Microsecond: "12ms", 3421 * time.Millisecond: "3.42s", 41234 * time.Millisecond: "41.2s",
		83456 * time.Millisecond: "1m23.5s", reports.Never: "never", -1500 * time.Microsecond: "-1.5ms",
	} {
		assert.Equal(t, want, reports.Duration(d))
	}
}

func TestACalmTwinIsNotBlamedForBreakingNothing(t *testing.T) {
	held := true
	twin := reports.Verdict{
		Scenario: "s", Twin: "t", Outcome: reports.Pass, Breaks: []string{"healed"},
		Expect: []reports.Finding{{Name: "healed", That: "true", Held: &held}},
	}
	show := func() string {
		var out strings.Builder
		require.NoError(t, reports.Text(&out, []reports.Verdict{twin}, reports.TextOptions{}))
		return out.String()
	}
	assert.Contains(t, show(), "should have broken")
	twin.Calm = true
	assert.NotContains(t, show(), "should have broken")
}

// What is said of several verdicts is as bad as the worst that counts.
func TestOverall(t *testing.T) {
	all := verdicts()
	pass, fail, twin, odd, unclear, broken := all[0], all[1], all[2], all[3], all[4], all[5]
	vacuous := twin
	vacuous.Vacuous = []string{"healed"}
	repeated := unclear
	repeated.Uncounted = "it was run again"
	calm := fail
	calm.Calm = true
	for _, c := range []struct {
		want string
		vs   []reports.Verdict
	}{
		{"", nil},
		{"pass: both expectations held.", []reports.Verdict{pass}},
		{"pass: all 2 runs came out as they should.", []reports.Verdict{pass, twin}},
		{"pass: all 2 runs came out as they should.", []reports.Verdict{pass, repeated, twin}},
		{"pass: all 2 runs came out as they should.", []reports.Verdict{pass, calm}},
		{"fail: 1 of 2 runs did not come out as it should: pod-kill, twin bare pods: not as designed: the twin did not break users barely notice: " +
			"3 requests were lost in fault, at most 100 were promised.", []reports.Verdict{pass, odd}},
		{"fail: 1 of 2 runs did not come out as it should: pod-kill, twin one replica: its patch alone breaks healed, without any fault: it proves nothing.",
			[]reports.Verdict{pass, vacuous}},
		{"fail: 2 of 2 runs did not come out as they should, the worst is pod-kill: healed: kill was never healed, at most 15s was promised; it broke 15.0s after kill.", []reports.Verdict{unclear, fail}},
		{"error: 2 of 3 runs did not come out as they should, the worst is pod-kill: the recorder lost its watch.", []reports.Verdict{pass, unclear, broken}},
		{"inconclusive: no verdict counts.", []reports.Verdict{repeated, repeated}},
	} {
		assert.Equal(t, c.want, reports.Overall(c.vs))
	}
}

func TestTheReasonComesFirst(t *testing.T) {
	for _, v := range verdicts() {
		if v.Reason == "" {
			continue
		}
		var out bytes.Buffer
		require.NoError(t, reports.Text(&out, []reports.Verdict{v}, reports.TextOptions{}))
		first, _, _ := strings.Cut(out.String(), "\n")
		assert.Equal(t, v.Reason, first)
	}
}

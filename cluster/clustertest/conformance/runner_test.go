package conformance

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeVariable makes this test program stand for upstream's. Its value is a folder
// in which it writes what it did.
const fakeVariable = "CONFORMANCE_FAKE"

func TestMain(m *testing.M) {
	if folder := os.Getenv(fakeVariable); folder != "" {
		os.Exit(fake(folder, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fake "runs" the tests that it is asked for. Their names say what happens.
func fake(folder string, args []string) int {
	asked := map[string]string{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		asked[name] = value
	}
	note(folder, "begin "+asked["--ginkgo.focus"])
	defer note(folder, "end "+asked["--ginkgo.focus"])
	var cases []testCase
	code, torn := 0, false
	for _, test := range fakeTests() {
		c := testCase{Name: "[It] " + test.Name, Status: "skipped", Skipped: &detail{Message: "skipped"}}
		if regexp.MustCompile(asked["--ginkgo.focus"]).MatchString("Kubernetes e2e suite " + test.Name) {
			c = testCase{Name: "[It] " + test.Name, Status: "passed", Seconds: 1}
			switch {
			case strings.Contains(test.Name, "fails"):
				c.Status, c.Failure, code = "failed", &detail{Text: "[FAILED] it does"}, 1
			case strings.Contains(test.Name, "dies"):
				for i := range 1000 {
					fmt.Println("line", i)
				}
				fmt.Println("this cannot go on")
				return 3
			case strings.Contains(test.Name, "never begins"):
				c = testCase{Name: "[SynchronizedBeforeSuite]", Status: "failed", Failure: &detail{Text: "no node is ready"}}
				code = 1
			case strings.Contains(test.Name, "tears"):
				torn = true
			case strings.Contains(test.Name, "hangs"):
				waitForInterrupt(folder)
				c.Status, code = "interrupted", 1
			}
		}
		cases = append(cases, c)
	}
	report, err := xml.Marshal(struct {
		XMLName xml.Name   `xml:"testsuites"`
		Cases   []testCase `xml:"testsuite>testcase"`
	}{Cases: cases})
	if torn {
		report = report[:len(report)/2]
	}
	if err = errors.Join(err, os.WriteFile(filepath.Join(asked["--report-dir"], reportFile), report, 0o644)); err != nil {
		panic(err)
	}
	return code
}

// note adds a line to what the fake did.
func note(folder, line string) {
	f, err := os.OpenFile(filepath.Join(folder, "notes"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, line)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		panic(err)
	}
}

func waitForInterrupt(folder string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	note(folder, "hanging")
	<-ctx.Done()
}

// fakeTests are the tests that the fake has.
func fakeTests() []Test {
	var tests []Test
	for i := range 20 {
		tests = append(tests, Test{Name: fmt.Sprintf("[sig-apps] Job passes %02d [Conformance]", i), Area: "jobs"})
	}
	return append(tests,
		Test{Name: "[sig-apps] Job fails [Conformance]", Area: "jobs"},
		Test{Name: "[sig-apps] Job [Serial] alone [Conformance]", Area: "jobs"},
		Test{Name: "[sig-apps] CronJob should be slow [Conformance]", Area: "cronjobs"},
		Test{Name: "[sig-apps] CronJob dies [Conformance]", Area: "cronjobs"},
		Test{Name: "[sig-apps] CronJob hangs [Conformance]", Area: "cronjobs"},
		Test{Name: "[sig-apps] CronJob should be slow and tears its report [Conformance]", Area: "cronjobs"},
		Test{Name: "[sig-apps] CronJob never begins [Conformance]", Area: "cronjobs"},
	)
}

// fakeRunner is a runner of the fake, and where the fake writes.
func fakeRunner(t *testing.T) (Runner, string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	notes := t.TempDir()
	t.Setenv(fakeVariable, notes)
	return Runner{Programs: Programs{Tests: self}, Kubeconfig: "/nowhere", Parallel: 3, Folder: t.TempDir()}, notes
}

func TestRun(t *testing.T) {
	r, notes := fakeRunner(t)
	var said []string
	r.Progress = func(line string) { said = append(said, line) }
	tests := fakeTests()[:23]
	results, err := r.Run(t.Context(), tests)
	require.NoError(t, err, "a failed test is no error")
	require.Len(t, results, len(tests))
	for i, got := range results {
		want := Result{Name: tests[i].Name, Area: tests[i].Area, State: Passed, Seconds: 1}
		if strings.Contains(want.Name, "fails") {
			want.State, want.Message = Failed, "[FAILED] it does"
		}
		assert.Equal(t, want, got)
	}
	assert.Contains(t, said, "  failed: [sig-apps] Job fails [Conformance]")
	assert.Contains(t, said[len(said)-1], "23 of 23 tests done")

	// What needs the cluster alone starts when all else has ended; what is slow
	// starts first, alone in its process.
	text, err := os.ReadFile(filepath.Join(notes, "notes"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	alone := focusOf(tests[21:22])
	assert.Equal(t, []string{"begin " + alone, "end " + alone}, lines[len(lines)-2:])
	first, err := readReport(filepath.Join(r.Folder, "batch-001", reportFile))
	require.NoError(t, err)
	assert.Equal(t, map[string]outcome{tests[22].Name: {state: Passed, took: time.Second}}, first)
}

// A process that dies, or that leaves half a report, costs its tests; the others
// are run.
func TestProcessThatDies(t *testing.T) {
	r, _ := fakeRunner(t)
	r.Parallel = 1
	tests := fakeTests()
	// What is slow goes first, so that the torn report is the run's first.
	dies := tests[23]
	results, err := r.Run(t.Context(), []Test{dies, tests[25], tests[22], dies, dies, dies, tests[0], tests[21]})
	require.NoError(t, err)
	first, rest, _ := strings.Cut(results[0].Message, "\n")
	assert.Equal(t, "no report of it; its process ended: exit status 3; it wrote last:", first)
	assert.True(t, strings.HasSuffix(rest, "line 999\nthis cannot go on"), rest)
	assert.Less(t, len(results[0].Message), 2*longestOutput)
	assert.Contains(t, results[1].Message, "the report is not whole: XML syntax error on line 1: unexpected EOF; its process ended: exit status 0; it wrote nothing")
	for i, want := range []State{Unfinished, Unfinished, Passed, Unfinished, Unfinished, Unfinished, Passed, Passed} {
		assert.Equal(t, want, results[i].State, "%d: %s", i, results[i].Name)
	}
}

// When nothing runs at all the run ends early. The error quotes the output: its
// file may be gone when somebody reads the error.
func TestNothingStarts(t *testing.T) {
	r, notes := fakeRunner(t)
	dies := fakeTests()[23]
	results, err := r.Run(t.Context(), []Test{dies, dies, dies, dies, dies, dies, dies})
	require.ErrorContains(t, err, "the first 3 processes reported none, the last: no report of it; its process ended: exit status 3; it wrote last:\n")
	assert.ErrorContains(t, err, "this cannot go on")
	assert.NotContains(t, err.Error(), r.Folder)
	assert.Less(t, len(err.Error()), 2*longestOutput)
	assert.Len(t, results, 7)
	text, err := os.ReadFile(filepath.Join(notes, "notes"))
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(text), "begin "), 5, "others had begun by then, at the most")

	never := fakeTests()[26]
	r, _ = fakeRunner(t)
	r.Parallel = 1 // else some may have been ended early
	results, err = r.Run(t.Context(), []Test{never, never, never, never})
	assert.ErrorContains(t, err, "reported none, the last: [SynchronizedBeforeSuite]: no node is ready")
	assert.Equal(t, "[SynchronizedBeforeSuite]: no node is ready", results[0].Message)

	r, _ = fakeRunner(t)
	r.Programs.Tests = filepath.Join(notes, "absent")
	_, err = r.Run(t.Context(), []Test{dies, dies, dies})
	assert.ErrorContains(t, err, "absent: no such file or directory; it wrote nothing")
}

func TestLastOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), outputFile)
	assert.Equal(t, "it wrote nothing", lastOutput(file))
	for text, want := range map[string]string{
		"":                             "it wrote nothing",
		" \n\n":                        "it wrote nothing",
		"a\nb\n\n":                     "it wrote last:\na\nb",
		strings.Repeat("x", 1<<20):     "it wrote last:\n… " + strings.Repeat("x", longestOutput),
		strings.Repeat("1234\n", 1000): "it wrote last:\n" + strings.TrimSpace(strings.Repeat("1234\n", mostLines)),
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		assert.Equal(t, want, lastOutput(file))
	}
}

// Interrupted, a run lets its tests clean up and keeps what they reported.
func TestInterruptedRun(t *testing.T) {
	r, notes := fakeRunner(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("enough")
	var results []Result
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		results, err = r.Run(ctx, []Test{fakeTests()[24], fakeTests()[21]})
	}()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(notes, "notes"))
		return err == nil && strings.Contains(string(text), "hanging")
	}, time.Minute, 5*time.Millisecond, "the fake did not start")
	cancel(stop)
	<-ended
	require.ErrorIs(t, err, stop)
	assert.Equal(t, Failed, results[0].State)
	assert.Equal(t, "interrupted", results[0].Message)
	assert.Equal(t, "not started", results[1].Message)
}

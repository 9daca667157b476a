package conformance

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// upstream are the names of all conformance tests of [Version], as the test
// program lists them.
func upstream(t *testing.T) []Test {
	t.Helper()
	text, err := os.ReadFile("testdata/tests.txt")
	require.NoError(t, err)
	var tests []Test
	for name := range strings.Lines(string(text)) {
		name = strings.TrimSuffix(name, "\n")
		tests = append(tests, Test{Name: name, Area: areaOf(name)})
	}
	require.Len(t, tests, 446)
	return tests
}

func TestEveryTestHasAnArea(t *testing.T) {
	seen := map[string]int{}
	for _, test := range upstream(t) {
		assert.NotEqual(t, "other", test.Area, test.Name)
		seen[test.Area]++
	}
	for _, a := range Areas() {
		assert.Positive(t, seen[a.Name], "area %s has no test", a.Name)
		assert.Regexp(t, `^[a-z-]+$`, a.Name)
	}
	assert.Equal(t, "other", areaOf("[sig-new] Thing works [Conformance]"))
	// The longer prefix wins.
	assert.Equal(t, "volumes", areaOf("[sig-storage] EmptyDir wrapper volumes should not conflict [Conformance]"))
	assert.Equal(t, "emptydir", areaOf("[sig-storage] EmptyDir volumes should support it [Conformance]"))
}

func TestTablesNameRealTests(t *testing.T) {
	names := map[string]bool{}
	for _, test := range upstream(t) {
		names[test.Name] = true
	}
	for name, why := range Known() {
		assert.True(t, names[name], "known, but there is no such test: %s", name)
		assert.NotEmpty(t, why)
	}
	for _, prefix := range slowPrefixes() {
		found := false
		for name := range names {
			found = found || strings.HasPrefix(name, prefix)
		}
		assert.True(t, found, "slow, but there is no such test: %s", prefix)
	}
}

func TestChoose(t *testing.T) {
	all := upstream(t)
	chosen, err := Choice{}.Choose(all)
	require.NoError(t, err)
	assert.Len(t, chosen, 446)
	assert.Equal(t, "deployments", chosen[0].Area, "in the order of the areas")

	chosen, err = Choice{Areas: []string{"cronjobs", "deployments"}, Focus: "scale|schedule"}.Choose(all)
	require.NoError(t, err)
	var names []string
	for _, c := range chosen {
		names = append(names, c.Name)
	}
	assert.Equal(t, []string{
		"[sig-apps] Deployment Deployment should have a working scale subresource [Conformance]",
		"[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]",
		"[sig-apps] CronJob should not schedule new jobs when ForbidConcurrent [Slow] [Conformance]",
		"[sig-apps] CronJob should schedule multiple jobs concurrently [Conformance]",
	}, names)

	_, err = Choice{Areas: []string{"deployment"}, Focus: "("}.Choose(all)
	assert.ErrorContains(t, err, `no area "deployment"`)
	assert.ErrorContains(t, err, "deployments, replicasets")
	assert.ErrorContains(t, err, `the focus "("`)
	_, err = Choice{Focus: "nothing is called so"}.Choose(all)
	assert.ErrorContains(t, err, "none of the 446")
}

func TestSerial(t *testing.T) {
	assert.True(t, Test{Name: "[sig-apps] Daemon set [Serial] should [Conformance]"}.Serial())
	assert.True(t, Test{Name: "[sig-node] X [Disruptive] [Conformance]"}.Serial())
	assert.False(t, Test{Name: "[sig-apps] Deployment should [Conformance]"}.Serial())
}

// The expression picks the tests that it was made of, and none that begin or end
// alike. It fits into one argument of a command, which Linux limits to 128 KiB
// (MAX_ARG_STRLEN).
func TestFocus(t *testing.T) {
	all := upstream(t)
	assert.Less(t, len(focusOf(all)), 128<<10)
	for i, test := range all {
		focus := regexp.MustCompile(focusOf([]Test{test}))
		for j, other := range all {
			got := focus.MatchString("Kubernetes e2e suite " + other.Name)
			assert.Equal(t, i == j, got, "the focus of %q and %q", test.Name, other.Name)
		}
	}
}

func TestParseList(t *testing.T) {
	tests, err := parseList([]byte(`- testname: A
  codename: '[sig-apps] Deployment should be written over
    two lines and isn''t one [Conformance]'
  description: |
    text
- testname: B
  codename: '[sig-network] DNS should work [Conformance]'
`))
	require.NoError(t, err)
	assert.Equal(t, []Test{
		{"[sig-apps] Deployment should be written over two lines and isn't one [Conformance]", "deployments"},
		{"[sig-network] DNS should work [Conformance]", "dns"},
	}, tests)
	_, err = parseList([]byte("[]"))
	assert.ErrorContains(t, err, "empty")
	_, err = parseList([]byte("unknown flag"))
	assert.ErrorContains(t, err, "read the list")
}

func TestReadReport(t *testing.T) {
	got, err := readReport("testdata/junit.xml")
	require.NoError(t, err)
	assert.Equal(t, outcome{state: Passed, took: 2500 * time.Millisecond}, got["[sig-apps] Job should delete a job [Conformance]"])
	failed := got["[sig-network] DNS should provide DNS for services [Conformance]"]
	assert.Equal(t, Failed, failed.state)
	assert.True(t, strings.HasPrefix(failed.message, "[FAILED] Timed out after 600.1 s."), failed.message)
	assert.Less(t, len(failed.message), 700, "dumps are cut")
	assert.Equal(t, outcome{state: Skipped, message: "Requires at least 2 nodes (not 1)"}, got["[sig-apps] Daemon set [Serial] should rollback [Conformance]"])
	assert.Equal(t, Failed, got["[sig-node] Pods should panic [Conformance]"].state)
	assert.Equal(t, "timedout", got["[sig-node] Pods should hang [Conformance]"].message)
	assert.Equal(t, Failed, got["[SynchronizedAfterSuite]"].state)
	assert.Len(t, got, 6, "tests that were not chosen, and nodes that passed, are left out: %v", got)

	_, err = readReport(filepath.Join(t.TempDir(), "absent.xml"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = parseReport(strings.NewReader("<testsuites><testcase name='x'"))
	assert.Error(t, err)
}

// sample are results of every state.
func sample() Results {
	return Results{
		Facts: Facts{
			Tests: "v1.36.3", Kubernetes: "v1.36.3", Provider: "embedded", Squall: "abc1234", Parallel: 3, Seconds: 83.4,
			Date:  time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
			Nodes: []Node{{Name: "worker-1", CPU: "2", Memory: "4Gi", Kernel: "6.1.0", Runtime: "containerd://2.2.1"}},
		},
		Results: []Result{
			{Name: "[sig-network] DNS b|c [Conformance]", Area: "dns", State: Failed, Seconds: 60.4, Message: "no <answer>\nsecond line"},
			{Name: "[sig-apps] Deployment a [Conformance]", Area: "deployments", State: Passed, Seconds: 10},
			{Name: "[sig-apps] Deployment b [Conformance]", Area: "deployments", State: Passed, Seconds: 5.7},
			{Name: "[sig-apps] Deployment c [Conformance]", Area: "deployments", State: Skipped, Message: "why"},
			{Name: "[sig-new] d [Conformance]", Area: "other", State: Unfinished, Message: "killed"},
		},
	}
}

func TestTables(t *testing.T) {
	var text, markdown bytes.Buffer
	require.NoError(t, sample().WriteText(&text))
	require.NoError(t, sample().WriteMarkdown(&markdown))
	for file, got := range map[string]string{"table.txt": text.String(), "table.md": markdown.String()} {
		want, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
	assert.InDelta(t, 0.5, sample().Share(), 1e-9, "2 of 4: what skips itself has not run")
	assert.Zero(t, Results{}.Share())
}

func TestResultsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, sample().Save(file))
	got, err := Load(file)
	require.NoError(t, err)
	assert.Equal(t, sample(), got)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, json.Valid(text))

	require.NoError(t, os.WriteFile(file, []byte("{"), 0o644))
	_, err = Load(file)
	assert.ErrorContains(t, err, file)
	_, err = Load(file + ".absent")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// The images must not differ from build to build.
func TestPorterCertificateIsAlwaysTheSame(t *testing.T) {
	certificate, key := porterCertificate()
	again, keyAgain := porterCertificate()
	assert.Equal(t, certificate, again)
	assert.Equal(t, key, keyAgain)
	_, err := tls.X509KeyPair(certificate, key)
	assert.NoError(t, err)
}

package scenarios_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// minimal is a small valid scenario, with a place for more of the spec.
const minimal = `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: minimal}
spec:
  workloads: [{name: shop, shop: {services: [gateway, catalog]}}]
  load: [{name: a, target: {service: gateway, port: http}, rate: 1/s, good: {within: 1s}}]
  expect:
    - {name: held, that: 'fault.lost == 0'}
    - {name: off, enabled: false, that: 'run.lost == 0'}
`

func TestLoadFileSaysWhatIsWrongWithTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o644))
		return path
	}
	huge := write("huge.yaml", nil)
	require.NoError(t, os.Truncate(huge, 100<<20)) // a hole, so that it costs no disk
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o644))
	for name, test := range map[string]struct{ path, want string }{
		"missing":    {filepath.Join(dir, "no.yaml"), "there is no such file"},
		"a folder":   {dir, "it is a folder"},
		"a pipe":     {pipe, "not a regular file"},
		"100 MB":     {huge, "larger than 1048576 bytes"},
		"empty":      {write("empty.yaml", nil), "the file is empty"},
		"blank":      {write("blank.yaml", []byte(" \n\t\n")), "the file is empty"},
		"latin-1":    {write("latin.yaml", []byte("name: caf\xe9")), "not UTF-8"},
		"utf-16":     {write("wide.yaml", []byte("\xff\xfea\x00:\x00")), "not UTF-8"},
		"a NUL":      {write("nul.yaml", []byte("a: \x00")), "not YAML"},
		"deep flow":  {write("deep.yaml", []byte("a: "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000))), "deeper than 64"},
		"deep block": {write("block.yaml", []byte("a:\n"+strings.Repeat("- ", 9000)+"x")), "deeper than 64"},
		"deeper":     {write("deeper.yaml", []byte(strings.Repeat("[", 1<<19))), "not YAML"},
		"many":       {write("many.yaml", []byte("a: ["+strings.Repeat("1,", 200_000)+"]")), "more than 100000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := scenarios.LoadFile(test.path)
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, test.path, "the error names the file")
			assert.Less(t, time.Since(began), 10*time.Second)
		})
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := scenarios.Parse("s.yaml", []byte(minimal+strings.Repeat("    - {}\n", 5000)))
	var invalid *scenarios.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Len(t, invalid.Findings, 200)
	assert.Greater(t, invalid.More, 4000)
	assert.Contains(t, err.Error(), fmt.Sprintf("and %d more", invalid.More))
}

func TestCheckerSeesEveryExpectationOfScenarioAndTwins(t *testing.T) {
	t.Parallel()
	text := minimal + `  twins:
    - {name: one, patch: {'workloads[shop].shop.replicas.catalog': 2}, breaks: [held]}
`
	var seen []string
	_, err := scenarios.Parse("s.yaml", []byte(text), scenarios.WithChecker(func(s *scenarios.Scenario, e scenarios.Expectation) error {
		assert.Equal(t, 2, s.Spec.Cluster.Workers, "defaults are filled in before the check")
		seen = append(seen, s.Twin+"/"+e.Name)
		return nil
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"/nothing lost before the fault", "/held", "/off",
		"one/nothing lost before the fault", "one/held", "one/off",
	}, seen)
}

func TestCheckersFindingsStandAtTheExpression(t *testing.T) {
	t.Parallel()
	text := minimal + `  twins:
    - {name: one, patch: {'workloads[shop].shop.replicas.catalog': 2}, breaks: [held]}
`
	found := wrong(t, text, scenarios.WithChecker(func(s *scenarios.Scenario, e scenarios.Expectation) error {
		switch {
		case e.Name == "held":
			return errors.Join(errors.New("no such window"), errors.New("not a bool"))
		case e.Name == "off" && s.Twin != "":
			return errors.New("only the twin has this")
		}
		return nil
	}))
	require.Len(t, found, 3, "what scenario and twin share is said once: %v", found)
	assert.Equal(t, "s.yaml:8:26: spec.expect[held].that: \"fault.lost == 0\": no such window", found[0].String())
	assert.Equal(t, "not a bool", found[1].Problem)
	assert.Equal(t, "one", found[2].Twin)
	assert.Equal(t, 9, found[2].Line)
}

func TestTwinsThatAreOffAreCheckedAndLeftOut(t *testing.T) {
	t.Parallel()
	off := "  twins: [{name: one, enabled: false, patch: {'%s': 2}, breaks: [held]}]\n"
	file, err := scenarios.Parse("s.yaml", []byte(minimal+fmt.Sprintf(off, "workloads[shop].shop.replicas.catalog")))
	require.NoError(t, err)
	assert.Empty(t, file.Twins)
	found := wrong(t, minimal+fmt.Sprintf(off, "workloads[shop].shop.replicas.cart"))
	require.Len(t, found, 1)
	assert.Equal(t, "spec.workloads[shop].shop.replicas.cart", found[0].Path)
}

func TestDigestChangesWithWhatIsRunAndNothingElse(t *testing.T) {
	t.Parallel()
	digest := func(text string) string {
		file, err := scenarios.Parse("s.yaml", []byte(text))
		require.NoError(t, err)
		return file.Scenario.Digest()
	}
	base := digest(minimal)
	assert.Len(t, base, 64)
	assert.Equal(t, base, digest("# a comment\n"+minimal), "a comment is not run")
	assert.Equal(t, base, digest(minimal+"  cluster: {workers: 2}\n"), "a default written out is the same")
	assert.Equal(t, base, digest(strings.Replace(minimal, "held,", "held, enabled: true,", 1)))
	assert.Equal(t, base, digest(minimal+"  twins: [{name: x, patch: {'cluster.workers': 1}, breaks: [held]}]\n"), "a run knows nothing of twins")
	assert.NotEqual(t, base, digest(minimal+"  cluster: {workers: 1}\n"))
	assert.NotEqual(t, base, digest(strings.Replace(minimal, "1/s", "2/s", 1)))
	assert.NotEqual(t, base, digest(strings.Replace(minimal, "lost == 0'", "lost == 1'", 1)))
}

func TestFileWithByteOrderMarkIsRead(t *testing.T) {
	t.Parallel()
	_, err := scenarios.Parse("s.yaml", append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll([]byte(minimal), []byte("\n"), []byte("\r\n"))...))
	require.NoError(t, err)
}

func TestCheckerMayRenderWhatIsNotSound(t *testing.T) {
	t.Parallel()
	for _, workload := range []string{
		"{name: shop}",
		"{name: shop, shop: {services: [gateway], replicas: {gateway: 1000000000}, bare: [gateway]}}",
	} {
		text := strings.Replace(minimal, "{name: shop, shop: {services: [gateway, catalog]}}", workload, 1)
		wrong(t, text, scenarios.WithChecker(func(s *scenarios.Scenario, _ scenarios.Expectation) error {
			_, err := s.Render()
			assert.Error(t, err)
			return nil
		}))
	}
}

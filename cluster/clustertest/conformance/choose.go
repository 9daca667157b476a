package conformance

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Choice says which tests to run.
type Choice struct {
	// Areas are names of [Areas]; none means all.
	Areas []string
	// Focus is a regular expression that names must match; empty means any.
	Focus string
}

// Check refuses a choice that names what there is not.
func (c Choice) Check() error {
	var errs []error
	errs = append(errs, checkAreas(c.Areas))
	if _, err := regexp.Compile(c.Focus); err != nil {
		errs = append(errs, fmt.Errorf("the focus %q is no regular expression: %w", c.Focus, err))
	}
	return errors.Join(errs...)
}

// Choose picks tests, by area and then by name. It is an error when none is left.
func (c Choice) Choose(tests []Test) ([]Test, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	focus := regexp.MustCompile(c.Focus)
	var chosen []Test
	for _, t := range tests {
		if len(c.Areas) > 0 && !slices.Contains(c.Areas, t.Area) || !focus.MatchString(t.Name) {
			continue
		}
		chosen = append(chosen, t)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("none of the %d conformance tests is of the areas %q and matches %q", len(tests), c.Areas, c.Focus)
	}
	order := map[string]int{}
	for i, a := range Areas() {
		order[a.Name] = i - len(Areas()) // what is of no area comes last
	}
	sort.SliceStable(chosen, func(i, j int) bool {
		if a, b := order[chosen[i].Area], order[chosen[j].Area]; a != b {
			return a < b
		}
		return chosen[i].Name < chosen[j].Name
	})
	return chosen, nil
}

// slowPrefixes are how the names of tests begin that take minutes whatever the
// machine: they wait for a period of Kubernetes' own. They are started first.
func slowPrefixes() []string {
	return []string{
		// The API server compacts etcd every five minutes.
		"[sig-api-machinery] Servers with support for API chunking should support continue listing",
		// CronJobs run once a minute, at the least.
		"[sig-apps] CronJob should ",
		// Probes are watched for four minutes.
		"[sig-node] Probing container should *not* be restarted",
		"[sig-node] Probing container should have monotonically increasing",
		"[sig-node] Variable Expansion should verify that a failing subpath expansion",
		"[sig-node] Variable Expansion should fail substituting values in a volume subpath",
		"[sig-apps] StatefulSet ",
		// A kubelet notices changed ConfigMaps and Secrets within a minute and a half.
		"[sig-storage] ConfigMap optional updates", "[sig-storage] Secrets optional updates", "[sig-storage] Projected secret optional",
	}
}

// slow tells whether the test takes minutes.
func (t Test) slow() bool {
	return slices.ContainsFunc(slowPrefixes(), func(prefix string) bool { return strings.HasPrefix(t.Name, prefix) })
}

// listTimeout bounds the listing of the tests, which takes a second.
const listTimeout = time.Minute

// List asks the test program for its conformance tests.
func List(ctx context.Context, programs Programs) ([]Test, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, programs.Tests, "--list-conformance-tests").Output()
	if err != nil {
		return nil, fmt.Errorf("list the conformance tests with %s: %w", programs.Tests, err)
	}
	return parseList(text)
}

// parseList reads what test/e2e's program prints for --list-conformance-tests: the
// content of test/conformance/testdata/conformance.yaml.
func parseList(text []byte) ([]Test, error) {
	var entries []struct {
		Codename string `json:"codename"`
	}
	if err := yaml.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("read the list of conformance tests: %w", err)
	}
	var tests []Test
	for _, e := range entries {
		tests = append(tests, Test{Name: e.Codename, Area: areaOf(e.Codename)})
	}
	if len(tests) == 0 {
		return nil, errors.New("the list of conformance tests is empty")
	}
	return tests, nil
}

// focusOf is the regular expression that picks exactly these tests. The runner
// matches it against the suite's name and the test's.
func focusOf(tests []Test) string {
	quoted := make([]string, len(tests))
	for i, t := range tests {
		quoted[i] = regexp.QuoteMeta(t.Name)
	}
	return "(" + strings.Join(quoted, "|") + ")$"
}

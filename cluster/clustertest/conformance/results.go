package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// State is how a test ended.
type State string

// The states of a test.
const (
	Passed  State = "passed"
	Failed  State = "failed"
	Skipped State = "skipped" // by itself: the cluster is not of the kind that it tests
	// Unfinished is a test of which nothing was reported: its process ended, or
	// was ended, before.
	Unfinished State = "unfinished"
)

// Result is one test's.
type Result struct {
	Name    string  `json:"name"`
	Area    string  `json:"area"`
	State   State   `json:"state"`
	Seconds float64 `json:"seconds"`
	// Message is why it did not pass.
	Message string `json:"message,omitempty"`
}

// Facts are what the results hold for.
type Facts struct {
	// Tests is the version of the tests, Kubernetes that of the cluster.
	Tests      string `json:"tests"`
	Kubernetes string `json:"kubernetes"`
	// Provider made the cluster; empty when that is not known.
	Provider string `json:"provider,omitempty"`
	Nodes    []Node `json:"nodes"`
	// Squall is the version that ran the tests.
	Squall string    `json:"squall"`
	Date   time.Time `json:"date"`
	// Parallel is how many tests ran at once.
	Parallel int `json:"parallel"`
	// Seconds is how long all of it took.
	Seconds float64 `json:"seconds"`
}

// Node is one node of the cluster.
type Node struct {
	Name    string `json:"name"`
	CPU     string `json:"cpu"`
	Memory  string `json:"memory"`
	Kernel  string `json:"kernel"`
	Runtime string `json:"runtime"`
}

// Results are those of one run.
type Results struct {
	Facts   Facts    `json:"facts"`
	Results []Result `json:"results"`
}

// Count counts the results in a state.
func (r Results) Count(state State) int {
	n := 0
	for _, result := range r.Results {
		if result.State == state {
			n++
		}
	}
	return n
}

// Bad are the results of tests that neither passed nor skipped themselves.
func (r Results) Bad() []Result {
	var bad []Result
	for _, result := range r.Results {
		if result.State == Failed || result.State == Unfinished {
			bad = append(bad, result)
		}
	}
	return bad
}

// Share is the share of passed tests among those that did not skip themselves.
func (r Results) Share() float64 {
	ran := len(r.Results) - r.Count(Skipped)
	if ran == 0 {
		return 0
	}
	return float64(r.Count(Passed)) / float64(ran)
}

// Save writes the results to a file, from which [Load] reads them.
func (r Results) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

// Load reads results that [Results.Save] wrote.
func Load(path string) (Results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Results{}, fmt.Errorf("read results: %w", err)
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		return Results{}, fmt.Errorf("read results from %s: %w", path, err)
	}
	return r, nil
}

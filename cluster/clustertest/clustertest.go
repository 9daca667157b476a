// Package clustertest is the suite that every cluster.Provider passes: what
// people expect of Kubernetes, tried from outside with real pods.
//
// [Run] makes a cluster for most of the checks, which run side by side, each in
// a namespace of its own; those that act on nodes or make clusters come after.
// What a provider cannot do it declares in [Options], and then its refusal is
// what is tested.
//
// The suite tests the contract, so it knows no provider. What only one of them
// promises (files, control groups) is for that one's own tests.
package clustertest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"squall/cluster"
)

// Options say what to test and how.
type Options struct {
	// Provider makes the clusters.
	Provider cluster.Provider
	// Prefix begins the names of the suite's clusters; at most 12 characters.
	Prefix string
	// Cache is a folder in which the suite's program and its image are kept.
	Cache string
	// Kubectl is the path of a kubectl of the clusters' version.
	Kubectl string
	// Cannot says what the provider cannot do and why, by the name of a check or
	// of a [cluster.Part].
	Cannot map[string]string
	// Without are parts that the shared cluster goes without. Only checks that
	// need one of them run, and each of them should fail: that is how they are
	// seen to be able to.
	Without []cluster.Part
	// Only chooses checks by their names; nil chooses all.
	Only *regexp.Regexp
	// Long runs also those checks that say why they are otherwise left out.
	Long bool
	// AtOnce is how many checks share the cluster at once; 0 stands for five. A
	// provider whose nodes cost more needs fewer, for checks that have a deadline.
	AtOnce int
	// Log takes a line whenever something happens; nil drops it.
	Log func(string)
}

// Check is one thing that holds for every cluster.
type Check struct {
	// Name is "area/subject".
	Name string
	// Says is what holds when the check passes.
	Says string
	// Needs are the parts without which it fails.
	Needs []cluster.Part
	// Smoke tells that it is among the few that run on several clusters at once.
	Smoke bool
	// Long says why it is left out unless asked for; empty when it is not.
	Long string

	stage stage
	on    func(context.Context, *scope) error // on the shared cluster
	with  func(context.Context, *suite) error // with clusters of its own
}

// stage is when a check runs.
type stage int

const (
	together stage = iota // beside others on the shared cluster
	onNodes               // beside few, since it acts on a node of the shared cluster
	making                // it makes clusters
)

// Result is what became of a check.
type Result struct {
	Check Check
	// Err says why it failed; nil when it passed.
	Err error
	// Cannot is why the provider cannot do it, when it declared so. The check
	// passed then when the provider refused.
	Cannot string
	Took   time.Duration
}

// String writes the result as one line.
func (r Result) String() string {
	verdict := "ok  "
	if r.Err != nil {
		verdict = "FAIL"
	}
	line := fmt.Sprintf("%s %6.1fs  %s", verdict, r.Took.Seconds(), r.Check.Name)
	if r.Cannot != "" {
		line += " (refused: " + r.Cannot + ")"
	}
	if r.Err != nil {
		line += ": " + r.Err.Error()
	}
	return line
}

// Checks are all checks, in the order in which they are documented.
func Checks() []Check {
	var all []Check
	for _, area := range [][]Check{
		workloadChecks(), podChecks(), settingChecks(), policyOfPodsChecks(),
		networkChecks(), serviceChecks(), networkPolicyChecks(), storageChecks(), metricsChecks(),
		nodeChecks(), sizeChecks(), settingsOfClustersChecks(), manyChecks(),
	} {
		all = append(all, area...)
	}
	return all
}

// judge turns what a check returned into its result: where the provider has
// declared that it cannot do this, it must have refused.
func judge(c Check, cannot string, err error) error {
	switch {
	case cannot == "":
		return err
	case err == nil:
		return fmt.Errorf("declared as impossible (%s), but it works: remove the declaration", cannot)
	case !errors.Is(err, cluster.ErrUnsupported):
		return fmt.Errorf("declared as impossible (%s): the provider must refuse with an error that wraps cluster.ErrUnsupported, not fail: %w", cannot, err)
	}
	return nil
}

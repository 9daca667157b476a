package clustertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"squall/cluster"
)

const (
	// checkDeadline bounds a check; most take seconds.
	checkDeadline = 3 * time.Minute
	// makingDeadline bounds those that make clusters. Three of containers at once
	// are up after two minutes on two slow cores, and have many checks to pass.
	makingDeadline = 10 * time.Minute
	// atOnce is how many checks share a cluster at once. They mostly wait, for
	// kubelets and for controllers, but each starts pods: with ten at once two
	// slow cores were so busy that the checks' own bounds passed.
	atOnce = 5
	// nodesAtOnce is how many nodes of the shared cluster are acted on at once:
	// from three on, the controller manager would no longer evict pods (see
	// handleDisruption and ComputeZoneState in k8s 1.36
	// pkg/controller/nodelifecycle/node_lifecycle_controller.go).
	nodesAtOnce = 2
	// makingAtOnce is how many checks make clusters at once: one, since some make
	// large ones or several, and hosts bound what all share (on Linux,
	// fs.inotify.max_user_instances is 128 unless raised, and a cluster of six
	// nodes takes half of that).
	makingAtOnce = 1
)

// suite is a run of the checks.
type suite struct {
	Options
	probe probe
}

// Run runs the checks and returns a result for each of them, those that were
// left out not included; when all were, one result says so and fails. When ctx
// ends, what runs fails with its cause. All that
// the suite has made is removed before it returns.
func Run(ctx context.Context, o Options) []Result {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	s := &suite{Options: o}
	var chosen []Check
	for _, c := range Checks() {
		if s.chooses(c) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return s.all([]Check{someChosen()}, fmt.Errorf("no check is left to run: Only is %q; docs/clustertest.md lists the checks", o.Only))
	}
	var err error
	if s.probe, err = makeProbe(ctx, o.Cache); err != nil {
		return s.all(chosen, fmt.Errorf("making the suite's program: %w", err))
	}
	return append(s.shared(ctx, chosen), s.parallel(of(chosen, making), makingAtOnce, func(c Check) error {
		ctx, cancel := deadline(ctx, c)
		defer cancel()
		return c.with(ctx, s)
	})...)
}

func (s *suite) chooses(c Check) bool {
	needed := slices.ContainsFunc(c.Needs, func(p cluster.Part) bool { return slices.Contains(s.Without, p) })
	return (s.Only == nil || s.Only.MatchString(c.Name)) && (c.Long == "" || s.Long) && (len(s.Without) == 0 || needed) && s.canHave(c)
}

// canHave tells whether the provider has all parts that a check needs. That it
// refuses those that it has not, making/parts checks.
func (s *suite) canHave(c Check) bool {
	return !slices.ContainsFunc(c.Needs, func(p cluster.Part) bool { return s.Cannot[string(p)] != "" })
}

func of(checks []Check, when stage) []Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return c.stage != when })
}

// shared runs what needs the shared cluster.
func (s *suite) shared(ctx context.Context, chosen []Check) []Result {
	beside, nodes := of(chosen, together), of(chosen, onNodes)
	if len(beside)+len(nodes) == 0 {
		return nil
	}
	l, err := s.up(ctx, cluster.Spec{Name: s.Prefix + "-shared", Workers: 2, Timers: cluster.FastTimers, Without: s.lacks()})
	if err != nil {
		return s.all(append(beside, nodes...), fmt.Errorf("making the shared cluster: %w", err))
	}
	on := func(c Check) error { return l.run(ctx, c) }
	most := s.AtOnce
	if most <= 0 {
		most = atOnce
	}
	if len(s.Without) > 0 {
		most = len(beside) // they wait for what does not come, which costs nothing
	}
	results := s.parallel(beside, most, on)
	results = append(results, s.parallel(nodes, nodesAtOnce, on)...)
	results = append(results, s.parallel([]Check{namespacesGone()}, 1, func(Check) error { return l.emptied(ctx) })...)
	return append(results, s.parallel([]Check{removed()}, 1, func(Check) error { return l.down() })...)
}

// someChosen is what fails when nothing else runs, so that nothing passes.
func someChosen() Check {
	return Check{Name: "suite/chosen", Says: "there is a check to run"}
}

// The checks that end the shared cluster. They run whatever was chosen.

func namespacesGone() Check {
	return Check{Name: "api/namespaces removed", Says: "the namespaces of all checks are gone, with all that was in them"}
}

func removed() Check {
	return Check{Name: "making/removed", Says: "a removed cluster is not found and not listed; removing it again succeeds"}
}

// lacks are the parts that the shared cluster goes without: those that were
// asked for, and those that the provider has not.
func (s *suite) lacks() []cluster.Part {
	parts := slices.Clone(s.Without)
	for _, p := range cluster.Parts() {
		if s.Cannot[string(p)] != "" && !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	return parts
}

// parallel runs checks, so many at once, and logs each as it ends.
func (s *suite) parallel(checks []Check, most int, run func(Check) error) []Result {
	results := make([]Result, len(checks))
	free := make(chan struct{}, most)
	var all sync.WaitGroup
	for i, c := range checks {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			began := time.Now()
			err := run(c)
			r := Result{Check: c, Cannot: s.Cannot[c.Name], Took: time.Since(began)}
			r.Err = judge(c, r.Cannot, err)
			results[i] = r
			s.Log(r.String())
		})
	}
	all.Wait()
	return results
}

// all gives every check the same error.
func (s *suite) all(checks []Check, err error) []Result {
	var results []Result
	for _, c := range checks {
		results = append(results, Result{Check: c, Err: err})
	}
	return results
}

func deadline(ctx context.Context, c Check) (context.Context, context.CancelFunc) {
	most := checkDeadline
	if c.stage == making {
		most = makingDeadline
	}
	return context.WithTimeoutCause(ctx, most, fmt.Errorf("the check %s did not end within %s", c.Name, most))
}

// run runs one check in a namespace of its own.
func (l *lab) run(ctx context.Context, c Check) error {
	ctx, cancel := deadline(ctx, c)
	defer cancel()
	s, err := l.enter(ctx, c.Name)
	if err != nil {
		return err
	}
	err = c.on(ctx, s)
	if err != nil {
		err = fmt.Errorf("%w%s", err, s.trouble())
	}
	return errors.Join(err, s.leave())
}

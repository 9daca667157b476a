// Package run runs a scenario: it makes the cluster, brings the workloads up,
// sends the load, injects the faults on time and records everything that
// happens, on one clock, in one folder.
//
// It conducts and records; it does not judge what it sees. The verdict that
// [Run] returns is what squall/scenarios/judge says about the record, read back
// from its folder. This is the only package that knows clusters, workloads,
// faults and reports at once, and it knows each through its contract alone.
//
// # How a run goes
//
//	(images)  are built, so that the cluster has them from its first moment
//	up        the run's base; the cluster is made
//	deploy    the recorder's watches start; the workloads come up; the
//	          generators wait for their orders
//	warmup, steady, fault, recovery
//	          at the plan's times, counted from the start of warmup; the
//	          last ends early once all is well and has held
//	quiet     generators end, faults are proven gone, the final state is read
//	down      the cluster is removed
//
// Whatever goes wrong in between ends the run early, as a trouble in the record,
// and the rest goes on: generators and faults end, the cluster is removed, what
// there is is judged.
package run

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/scenarios/plan"
	"squall/workloads/image"
)

// FlagNoInject is the header's flag of a run whose faults were not injected.
const FlagNoInject = "no-inject"

// Options say how to run a scenario.
type Options struct {
	// Seed decides every choice that the scenario leaves open.
	Seed uint64
	// Version is Squall's, for the record.
	Version string
	// Calm leaves the timeline out.
	Calm bool
	// Runs is the folder that gets the record, as a folder of its own.
	Runs string
	// Provider makes the cluster, ProviderName is its name in the record.
	Provider     cluster.Provider
	ProviderName string
	// Images builds the images of the workloads.
	Images image.Builder
	// Traffic is the command line of the generator, squall/workloads/traffic's
	// Main in a process; its first element is the program's path.
	Traffic []string
	// Flags is the command line of a program that prints the flags with which the
	// cluster's components were started: what Started of squall/scenarios/oracle
	// returns, as JSON. Empty reads none.
	Flags []string
	// Live shows the run; nil shows nothing.
	Live *reports.Live
	// NoInject is a debug switch: faults are not injected, but must be proven
	// all the same. Such a run can never pass.
	NoInject bool
	// Replay is the plan to follow instead of one that is made from the seed, and
	// ReplayOf the name of the run that it is from.
	Replay   *plan.Plan
	ReplayOf string
	// Keep leaves the cluster up at the end, for a look at it; the live
	// showing names it.
	Keep bool

	// wall stands for the host's wall clock in tests, which never set it.
	wall func() time.Time
}

// Run runs a scenario, or a twin, that scenarios.Parse accepted, and returns
// the record's folder and the verdict. The error says that there is no verdict:
// there never was a cluster (the images could not be built, the host refuses,
// ctx ended), or the record could not be written or read. Dir is empty when
// there is no record.
//
// When ctx ends, the run is cut short in order, as described above, and judged.
// That takes as long as undoing the faults and removing the cluster does.
func Run(ctx context.Context, s *scenarios.Scenario, o Options) (dir string, v reports.Verdict, err error) {
	c, err := newConductor(s, o)
	if err != nil {
		return "", reports.Verdict{}, err
	}
	images, err := c.images(ctx)
	if err != nil {
		return "", reports.Verdict{}, err
	}
	c.clock = newClock()
	if err := c.up(ctx, images); err != nil {
		return "", reports.Verdict{}, err
	}
	defer c.remove() // also when something below panics
	dir = filepath.Join(o.Runs, recordName(s, o.Calm, c.clock.began))
	if err := c.open(dir); err != nil {
		return "", reports.Verdict{}, err
	}
	c.conduct(ctx)
	if err := c.finish(); err != nil {
		return dir, reports.Verdict{}, err
	}
	v, err = verdict(s, dir)
	return dir, v, err
}

// verdict judges the record as it was written, not as it was meant.
func verdict(s *scenarios.Scenario, dir string) (reports.Verdict, error) {
	rec, err := reports.Open(dir)
	if err != nil {
		return reports.Verdict{}, fmt.Errorf("judge the run: %w", err)
	}
	v := judge.Judge(s, rec)
	if err := reports.WriteVerdict(dir, v); err != nil {
		return reports.Verdict{}, err
	}
	return v, nil
}

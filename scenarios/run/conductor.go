package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"squall/chaos"
	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/plan"
	"squall/workloads"
	"squall/workloads/image"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// deployLimit bounds how long the workloads may take to come up. They
	// take about 2 s on two idle cores; the bound catches what never will.
	deployLimit = 2 * time.Minute
	// removeLimit bounds the removal of the cluster. It takes below 1 s, or a few
	// seconds in containers, and as long as what holds them is restarted.
	removeLimit = time.Minute
	// deathRattle is how long the parts of a dying cluster may end before it is
	// seen to have ended.
	deathRattle = time.Second
	// leadTime is how far ahead of warmup the generators get their orders.
	// They run by then, so they only have to read a line.
	leadTime = 500 * time.Millisecond
)

// conductor runs one scenario once.
type conductor struct {
	scenario *scenarios.Scenario
	options  Options
	plan     plan.Plan
	rendered []workloads.Rendered
	filled   []workloads.Rendered // with the run's certificates in them
	show     show
	clock    clock

	cluster cluster.Cluster
	applied bool // the workloads are deployed
	handed  bool // the cluster is removed, or kept: no longer ours to remove
	config  *rest.Config
	client  kubernetes.Interface

	dir      string // the record's folder
	journal  *reports.Writer
	recorder *recorder
	logs     *logKeeper
	loads    []*generator
	warmup   reports.Offset // when the plan's times begin
	pending  atomic.Int32   // timeline entries that are not over
	// conditions are nil when the run has none to look at.
	conditions *conditions
	// lastEvent is the offset of the latest stage of a timeline entry.
	lastEvent atomic.Int64
	keeping   struct {
		once    sync.Once
		running sync.WaitGroup
	}
}

// newConductor plans the run.
func newConductor(s *scenarios.Scenario, o Options) (*conductor, error) {
	if len(o.Traffic) == 0 {
		return nil, errors.New("run a scenario: the command line of the load generator is missing")
	}
	planned, err := plan.Make(s, o.Seed, o.Version, o.Calm)
	if err != nil {
		return nil, err
	}
	if o.Replay != nil {
		planned = *o.Replay
		planned.Squall = o.Version
	}
	rendered, err := s.Render()
	if err != nil {
		return nil, err
	}
	looked, err := newConditions(s, o)
	if err != nil {
		return nil, err
	}
	filled, err := certify(rendered, time.Now())
	if err != nil {
		return nil, err
	}
	c := &conductor{scenario: s, options: o, plan: planned, rendered: rendered, filled: filled, show: show{o.Live}, conditions: looked}
	return c, c.checkFiles()
}

// images builds what the workloads run, each image once.
func (c *conductor) images(ctx context.Context) ([]image.Image, error) {
	builder := c.options.Images
	if builder.Progress == nil {
		builder.Progress = func(line string) { c.show.say("%s", line) }
	}
	var built []image.Image
	for _, r := range c.rendered {
		for _, program := range r.Images {
			if slices.ContainsFunc(built, func(i image.Image) bool { return i.Ref == program.Ref }) {
				continue
			}
			one, err := builder.FromProgram(ctx, program)
			if err != nil {
				return nil, fmt.Errorf("build what workload %q runs: %w", r.Name, err)
			}
			built = append(built, one)
		}
	}
	return built, nil
}

// open begins the record. What happened before is known by its times alone.
func (c *conductor) open(dir string) error {
	journal, err := reports.Create(dir, c.header(), c.scenario.Marshal(), c.plan.JSON())
	if err != nil {
		return err
	}
	c.journal = journal
	c.phase("up", 0)
	c.recorder = newRecorder(c.clock, c.add, rolesOf(c.rendered))
	c.recorder.processes = c.cluster.PodProcesses
	c.recorder.tenants.on = slices.ContainsFunc(c.scenario.Spec.Timeline, func(s scenarios.Step) bool { return s.On() && s.Drain != nil })
	c.dir, c.logs = dir, newLogKeeper(dir, c.client, c.recorder)
	c.recorder.podSeen = c.logs.seePod
	return nil
}

func rolesOf(rendered []workloads.Rendered) []workloads.Role {
	var roles []workloads.Role
	for _, r := range rendered {
		roles = append(roles, r.Roles...)
	}
	return roles
}

// add writes to the record.
func (c *conductor) add(e reports.Entry) {
	c.journal.Add(c.recorder.redact(e))
	c.conditions.see(e)
}

// phase records that a phase began.
func (c *conductor) phase(name string, at reports.Offset) {
	c.add(reports.Entry{At: at, Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: name}})
}

// conduct goes from deploy to the end of quiet. It returns with every generator
// and every fault ended and every watch closed, however the run went; what went
// wrong stands in the record.
func (c *conductor) conduct(ctx context.Context) {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	go func() {
		select {
		case <-c.cluster.Done():
			abort(c.clusterEnded())
		case <-ctx.Done():
		}
	}()
	watching, unwatch := context.WithCancel(ctx)
	var wall sync.WaitGroup
	wall.Go(func() { c.watchWall(watching) })
	defer wall.Wait()
	defer unwatch()
	defer c.recorder.stop()
	defer c.kept(ctx)
	defer c.cutLoads()
	if err := c.stages(ctx, abort); err != nil {
		c.trouble(c.rootCause(ctx, err))
	}
}

// rootCause is the trouble that ended the run with err. What a dying cluster
// takes along may be noticed before its own end is.
func (c *conductor) rootCause(ctx context.Context, err error) *trouble {
	t := troubleOf(ctx, err)
	if t.class == reports.TroubleInterrupted {
		return t
	}
	select {
	case <-c.cluster.Done():
		return c.clusterEnded()
	case <-time.After(deathRattle):
		return t
	}
}

// clusterEnded is the trouble that the cluster is no longer there.
func (c *conductor) clusterEnded() *trouble {
	return troubled(reports.TroubleEnvironment, "the cluster %q ended in the middle of the run: something killed it; run again", c.cluster.Info().Name)
}

// stages are the stages from deploy to quiet; the error is why they ended early.
func (c *conductor) stages(ctx context.Context, abort context.CancelCauseFunc) error {
	if err := c.deploy(ctx, abort); err != nil {
		return err
	}
	defer c.startTimers(ctx)()
	running, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	defer c.startConditions(running, halt)()
	faults := c.startTimeline(running)
	defer faults.Wait() // each ends soon after ctx does, undone
	quiet, err := c.timedPhases(running)
	c.conditions.stop()
	fell := c.conditions.aborted()
	if fell && ctx.Err() == nil {
		quiet, err = c.clock.now(), nil
	}
	if err != nil {
		return err
	}
	c.phase("quiet", quiet)
	c.show.phase("quiet", 0)
	if fell {
		halt(errAborted)
		if err := c.comeBack(ctx, faults); err != nil {
			return err
		}
	}
	if err := c.stopLoads(ctx); err != nil {
		return err
	}
	c.startKeeping(ctx)
	faults.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.recorder.final(ctx)
}

// deploy starts the watches, brings the workloads up and gives the generators
// their orders.
func (c *conductor) deploy(ctx context.Context, abort context.CancelCauseFunc) error {
	c.phase("deploy", c.clock.now())
	c.show.phase("deploy", 0)
	if err := c.recorder.start(ctx, c.client); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, deployLimit, fmt.Errorf("not up within %s", deployLimit))
	defer cancel()
	if !c.applied { // the provider may know no early work
		if err := c.apply(limited, c.config); err != nil {
			return err
		}
	}
	if err := c.startLoads(ctx, abort); err != nil { // they start while the pods do
		return err
	}
	for _, r := range c.rendered {
		if err := workloads.WaitReady(limited, c.client, r); err != nil {
			return err
		}
	}
	if err := c.secureLoads(limited); err != nil {
		return err
	}
	c.warmup = c.clock.now() + leadTime
	go c.showLoad(ctx)
	return c.orderLoads()
}

// remove removes the cluster, unless that is done or it is to be kept.
func (c *conductor) remove() error {
	if c.handed {
		return nil
	}
	c.handed = true
	// The run's own context may have ended; the cluster must go regardless.
	ctx, cancel := context.WithTimeout(context.Background(), removeLimit)
	defer cancel()
	return c.options.Provider.Remove(ctx, c.cluster.Info().Name)
}

// finish removes the cluster and closes the record.
func (c *conductor) finish() error {
	c.phase("down", c.clock.now())
	c.show.phase("down", 0)
	end := &reports.EndEntry{}
	if used, err := c.cluster.CPUSeconds(); err == nil { // a dead cluster has none to tell
		end.CPUSeconds = used
	}
	name := c.cluster.Info().Name
	if c.options.Keep {
		c.handed = true
		c.show.say("the cluster %q is kept; \"squall cluster down %s\" removes it", name, name)
	} else if err := c.remove(); err != nil {
		class := reports.TroubleInternal
		if errors.Is(err, cluster.ErrHost) { // it went away under the cluster
			class = reports.TroubleEnvironment
		}
		c.trouble(troubled(class, "the cluster %q could not be removed: %v; \"squall clean\" tries again", name, err))
	}
	c.add(reports.Entry{At: c.clock.now(), Kind: reports.KindEnd, End: end})
	return c.journal.Close()
}

// env is what faults may use.
func (c *conductor) env() chaos.Env {
	return chaos.Env{Client: c.client, Nodes: nodeSwitches{c.cluster.Nodes()}, Observer: c.recorder}
}

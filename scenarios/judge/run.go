package judge

import (
	"cmp"
	"fmt"
	"slices"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads/sample"
)

// phases are the timed phases that a sound record has, in their order.
var phases = [...]string{"warmup", "steady", "fault", "recovery", "quiet"}

// run is a record, sorted by what the measures ask for.
type run struct {
	scenario *scenarios.Scenario
	header   reports.Header
	// starts is where each phase began; a phase that did not begin is absent.
	starts map[string]reports.Offset
	twice  []string // phases that began more than once
	// finished is where quiet ended: at "down", or else at the record's end.
	finished  reports.Offset
	complete  bool // the record has its last line, and finished is known
	truncated bool
	took      reports.Offset

	loads     []*series // the enabled ones, in the scenario's order
	strangers []string  // loads that are recorded and not in the scenario
	steps     []*step   // the timeline, in the scenario's order
	states    map[string][]state
	pods      map[string][]podState      // by UID
	endpoints map[string][]endpointState // by Service
	nodes     map[string][]nodeState
	notices   []reports.Nearby                                // warnings of Kubernetes'
	logs      func(from, to reports.Offset) []reports.LogLine // of the record
	rollouts  map[string][]rolloutState                       // by kind/name
	tenants   map[string][]tenantsState                       // by node
	hpas      map[string][]hpaState
	usage     []usageState
	troubles  []reports.TroubleEntry
	timers    *reports.TimersEntry // nil when they were not read
	flaws     []string             // of the scenario itself
	aborted   *abortion            // nil when nothing ended the run early

	// present is set when the run is looked at as it was at finished, while it
	// went on. Known is then, by load, the due time up to which its requests were
	// known.
	present bool
	known   map[string]reports.Offset
}

// place orders what has the same offset by its line in the record.
type place struct {
	at   reports.Offset
	line int
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.at, other.at), cmp.Compare(p.line, other.line))
}

// state is what a workload was from a place on.
type state struct {
	place
	reports.WorkloadEntry
}

// podState is what a pod was from a place on.
type podState struct {
	place
	*reports.PodEntry
}

// endpointState is the set of a Service's ready pods from a place on.
type endpointState struct {
	place
	*reports.EndpointEntry
}

// nodeState is what a node was from a place on.
type nodeState struct {
	place
	*reports.NodeEntry
}

// rolloutState is how far a controller was from a place on.
type rolloutState struct {
	place
	*reports.RolloutEntry
}

// tenantsState is which pods a drain of a node would have to move from a place on.
type tenantsState struct {
	place
	*reports.TenantsEntry
}

// step is the life of one timeline entry.
type step struct {
	name     string
	at       scenarios.Moment // when it is planned; zero when it waits, or the scenario has it not
	waits    bool             // for a condition
	enabled  bool
	fault    string
	action   string // what a step does; empty for a fault
	lasting  bool
	victims  []reports.Victim
	stages   map[reports.Stage]reports.Offset
	details  map[reports.Stage]string
	injected reports.Offset
	begun    bool
	drains   bool             // it drains its victims
	changed  *reports.Changed // nil when it made no new generation of anything
}

func newRun(s *scenarios.Scenario, rec *reports.Record) *run {
	r, byLoad, byStep := blankRun(s, rec.Header)
	r.truncated, r.logs = rec.Truncated, rec.LogLines
	for line := range rec.Entries {
		r.take(line, &rec.Entries[line], byLoad, byStep)
	}
	for load, n := range rec.CountRequests() {
		if s := byLoad[load]; s != nil {
			s.samples = make([]request, 0, n)
		}
	}
	rec.EachRequest(func(load string, one sample.Sample) {
		r.took = max(r.took, one.Due)
		if s := byLoad[load]; s != nil {
			s.add(one)
		} else {
			r.stranger(load)
		}
	})
	r.seal()
	return r
}

// blankRun is a run of which nothing is known yet, with its loads and its
// timeline by name.
func blankRun(s *scenarios.Scenario, h reports.Header) (r *run, byLoad map[string]*series, byStep map[string]*step) {
	r = &run{
		scenario: s, header: h,
		starts: map[string]reports.Offset{},
		states: map[string][]state{}, pods: map[string][]podState{},
		endpoints: map[string][]endpointState{}, nodes: map[string][]nodeState{},
		rollouts: map[string][]rolloutState{}, tenants: map[string][]tenantsState{}, hpas: map[string][]hpaState{},
	}
	byLoad, byStep = map[string]*series{}, map[string]*step{}
	for _, load := range s.Spec.Load {
		if load.On() {
			byLoad[load.Name] = &series{load: load, pace: r.paceOf(load)}
			r.loads = append(r.loads, byLoad[load.Name])
		}
	}
	for _, one := range s.Spec.Timeline {
		byStep[one.Name] = &step{
			name: one.Name, at: one.At, waits: one.Waits(), enabled: one.On(), drains: one.Drain != nil,
			stages: map[reports.Stage]reports.Offset{}, details: map[reports.Stage]string{},
		}
		r.steps = append(r.steps, byStep[one.Name])
	}
	return r, byLoad, byStep
}

// paceOf is how often the requests of a load are due in this run.
func (r *run) paceOf(load scenarios.Load) scenarios.Pace {
	pace, err := r.scenario.PaceOf(load, r.header.Calm)
	if err != nil { // a scenario that was parsed has no such legs
		r.flaws = append(r.flaws, err.Error())
	}
	return pace
}

// take files one entry.
func (r *run) take(line int, e *reports.Entry, byLoad map[string]*series, byStep map[string]*step) {
	r.took = max(r.took, e.At)
	switch e.Kind {
	case reports.KindPhase:
		if _, known := r.starts[e.Phase.Name]; known {
			r.twice = append(r.twice, e.Phase.Name)
			return
		}
		r.starts[e.Phase.Name] = e.At
	case reports.KindLoad:
		if s := byLoad[e.Load.Load]; s != nil {
			s.closing, s.closings = e.Load, s.closings+1
		} else {
			r.stranger(e.Load.Load)
		}
	case reports.KindGenerator:
		if s := byLoad[e.Generator.Load]; s != nil {
			s.tell(e.Generator)
		} else {
			r.stranger(e.Generator.Load)
		}
	case reports.KindEvent:
		byStep[e.Event.Name] = r.stage(byStep[e.Event.Name], e)
	case reports.KindPod:
		r.pods[e.Pod.UID] = append(r.pods[e.Pod.UID], podState{place{e.At, line}, e.Pod})
	case reports.KindWorkload:
		r.states[e.Workload.Name] = append(r.states[e.Workload.Name], state{place{e.At, line}, *e.Workload})
	case reports.KindTimers:
		r.timers = e.Timers
	case reports.KindEndpoint:
		r.endpoints[e.Endpoint.Service] = append(r.endpoints[e.Endpoint.Service], endpointState{place{e.At, line}, e.Endpoint})
	case reports.KindNode:
		r.nodes[e.Node.Name] = append(r.nodes[e.Node.Name], nodeState{place{e.At, line}, e.Node})
	case reports.KindNotice:
		if e.Notice.Type == "Warning" {
			r.notices = append(r.notices, reports.Nearby{At: e.At, What: fmt.Sprintf("%s: %s: %s", e.Notice.Object, e.Notice.Reason, e.Notice.Message)})
		}
	case reports.KindRollout:
		r.rollouts[e.Rollout.Object] = append(r.rollouts[e.Rollout.Object], rolloutState{place{e.At, line}, e.Rollout})
	case reports.KindTenants:
		r.tenants[e.Tenants.Node] = append(r.tenants[e.Tenants.Node], tenantsState{place{e.At, line}, e.Tenants})
	case reports.KindAbort:
		if r.aborted == nil {
			r.aborted = &abortion{at: e.At, AbortEntry: e.Abort}
		}
	case reports.KindHPA:
		r.hpas[e.HPA.Name] = append(r.hpas[e.HPA.Name], hpaState{place{e.At, line}, e.HPA})
	case reports.KindUsage:
		r.usage = append(r.usage, usageState{place{e.At, line}, e.Usage})
	case reports.KindTrouble:
		r.troubles = append(r.troubles, *e.Trouble)
	case reports.KindEnd:
		r.complete = true
		r.finished = e.At
	}
}

// stage files one stage of a timeline entry; the earliest of each counts. An
// entry that the scenario does not have is kept, so that it can be told.
func (r *run) stage(s *step, e *reports.Entry) *step {
	if s == nil {
		s = &step{
			name:   e.Event.Name,
			stages: map[reports.Stage]reports.Offset{}, details: map[reports.Stage]string{},
		}
		r.steps = append(r.steps, s)
	}
	if at, known := s.stages[e.Event.Stage]; !known || e.At < at {
		s.stages[e.Event.Stage] = e.At
		s.details[e.Event.Stage] = e.Event.Detail
	}
	s.lasting = s.lasting || e.Event.Lasting
	if e.Event.Fault != "" {
		s.fault = e.Event.Fault
	}
	if e.Event.Step != "" {
		s.action = e.Event.Step
	}
	if e.Event.Changed != nil {
		s.changed = e.Event.Changed
	}
	if len(e.Event.Victims) > 0 {
		s.victims = e.Event.Victims
	}
	s.injected, s.begun = s.stages[reports.StageInjected], s.has(reports.StageInjected)
	return s
}

func (s *step) has(stage reports.Stage) bool {
	_, ok := s.stages[stage]
	return ok
}

// undone tells whether a lasting fault was proven gone.
func (s *step) undone() (bool, *absence) {
	if !s.lasting {
		return false, absent("event %q is instant: there is nothing to undo", s.name)
	}
	return s.has(reports.StageUndone), nil
}

// bitten tells whether the entry proved that it bit.
func (s *step) bitten() bool {
	return s.begun && s.has(reports.StageBitten)
}

func (r *run) stranger(load string) {
	if !slices.Contains(r.strangers, load) {
		r.strangers = append(r.strangers, load)
	}
}

// seal brings everything into order, once all entries are filed.
func (r *run) seal() {
	for _, s := range r.loads {
		s.seal()
	}
	for _, all := range r.states {
		slices.SortFunc(all, func(a, b state) int { return a.compare(b.place) })
	}
	for _, all := range r.pods {
		slices.SortFunc(all, func(a, b podState) int { return a.compare(b.place) })
	}
	for _, all := range r.endpoints {
		slices.SortFunc(all, func(a, b endpointState) int { return a.compare(b.place) })
	}
	for _, all := range r.nodes {
		slices.SortFunc(all, func(a, b nodeState) int { return a.compare(b.place) })
	}
	for _, all := range r.rollouts {
		slices.SortFunc(all, func(a, b rolloutState) int { return a.compare(b.place) })
	}
	for _, all := range r.tenants {
		slices.SortFunc(all, func(a, b tenantsState) int { return a.compare(b.place) })
	}
	for _, all := range r.hpas {
		slices.SortFunc(all, func(a, b hpaState) int { return a.compare(b.place) })
	}
	slices.SortFunc(r.usage, func(a, b usageState) int { return a.compare(b.place) })
	if down, ok := r.starts["down"]; ok && r.complete {
		r.finished = down
	}
}

// end is where a timed phase ended. ok is false when it did not, or when that
// is not known.
func (r *run) end(phase string) (at reports.Offset, ok bool) {
	i := slices.Index(phases[:], phase)
	if i < 0 {
		return 0, false
	}
	if r.present && i == len(phases)-1 { // what it is now stands for what it is in the end
		return r.finished, true
	}
	if i == len(phases)-1 {
		_, begun := r.starts[phase]
		return r.finished, begun && r.complete
	}
	at, ok = r.starts[phases[i+1]]
	return at, ok
}

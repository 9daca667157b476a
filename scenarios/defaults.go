package scenarios

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Namespace is where the workloads of every scenario live, and where its faults
// look for pods unless they say otherwise.
const Namespace = "squall"

// fillDefaults completes a decoded scenario; has tells which paths the file
// sets. This is the only place that knows defaults, those of Chaos Mesh's
// objects and of the workloads aside.
func fillDefaults(s *Scenario, has func(path string) bool) {
	spec := &s.Spec
	if !has("spec.cluster.workers") {
		spec.Cluster.Workers = 2
	}
	if !has("spec.cluster.timers") {
		spec.Cluster.Timers = TimersStock
	}
	if !has("spec.cluster.node.cpu") {
		spec.Cluster.Node.CPU = resource.MustParse("2")
	}
	if !has("spec.cluster.node.memory") {
		spec.Cluster.Node.Memory = resource.MustParse("2Gi")
	}
	fillPhases(&spec.Phases, has)
	for i := range spec.Load {
		load := &spec.Load[i]
		if len(load.Targets) == 0 {
			fillTarget(&load.Target.Path, &load.Target.Method)
			forgetScheme(&load.Target.Scheme)
		}
		for j := range load.Targets {
			target := &load.Targets[j]
			fillTarget(&target.Path, &target.Method)
			forgetScheme(&target.Scheme)
			if target.Weight == 0 && !has(fmt.Sprintf("spec.load[%s].targets[%s].weight", shorten(load.Name), shorten(target.Name))) {
				target.Weight = 1
			}
		}
		if load.Good.Status == "" {
			load.Good.Status = "2xx"
		}
	}
	if !has("spec.steady") {
		spec.Steady = []Expectation{{Name: "nothing lost before the fault", That: "steady.lost == 0"}}
	}
	forgetOn(spec)
}

// fillTarget completes a target.
func fillTarget(path, method *string) {
	*path, *method = cmp.Or(*path, "/"), cmp.Or(*method, http.MethodGet)
}

// forgetScheme makes "scheme: http" and nothing the same, as they mean the same.
func forgetScheme(scheme *string) {
	if *scheme == "http" {
		*scheme = ""
	}
}

// fillPhases completes the lengths of the phases.
func fillPhases(p *Phases, has func(path string) bool) {
	for _, phase := range []struct {
		name   string
		length *time.Duration
		def    time.Duration
	}{
		{PhaseWarmup, &p.Warmup, 3 * time.Second},
		{PhaseSteady, &p.Steady, 7 * time.Second},
		{PhaseFault, &p.Fault, 10 * time.Second},
		{PhaseRecovery, &p.Recovery, 20 * time.Second},
	} {
		if !has("spec.phases." + phase.name) {
			*phase.length = phase.def
		}
	}
}

// forgetOn makes "enabled: true" and nothing the same, as they mean the same.
func forgetOn(spec *Spec) {
	forget := func(enabled **bool) {
		if isOn(*enabled) {
			*enabled = nil
		}
	}
	for i := range spec.Workloads {
		forget(&spec.Workloads[i].Enabled)
		for j := range spec.Workloads[i].Patches {
			forget(&spec.Workloads[i].Patches[j].Enabled)
		}
	}
	for i := range spec.Load {
		forget(&spec.Load[i].Enabled)
		for j := range spec.Load[i].Targets {
			forget(&spec.Load[i].Targets[j].Enabled)
		}
	}
	for i := range spec.Steady {
		forget(&spec.Steady[i].Enabled)
	}
	for i := range spec.Timeline {
		forget(&spec.Timeline[i].Enabled)
	}
	for i := range spec.Abort {
		forget(&spec.Abort[i].Enabled)
	}
	for i := range spec.Expect {
		forget(&spec.Expect[i].Enabled)
	}
	for i := range spec.Twins {
		forget(&spec.Twins[i].Enabled)
	}
}

// isOn is what a field "enabled" says.
func isOn(enabled *bool) bool { return enabled == nil || *enabled }

// On tells whether the workload is deployed.
func (w Workload) On() bool { return isOn(w.Enabled) }

// On tells whether requests are drawn to the target.
func (t MixedTarget) On() bool { return isOn(t.Enabled) }

// On tells whether the load is sent.
func (l Load) On() bool { return isOn(l.Enabled) }

// On tells whether the entry happens.
func (s Step) On() bool { return isOn(s.Enabled) }

// On tells whether the expectation is judged.
func (e Expectation) On() bool { return isOn(e.Enabled) }

// On tells whether the twin is run.
func (t Twin) On() bool { return isOn(t.Enabled) }

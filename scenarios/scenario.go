// Package scenarios holds the Scenario: plain data that says which cluster to
// make, what to run in it, what load to send, what to break and when, and what
// must hold.
//
// The package parses and validates scenarios and derives their twins. It starts
// nothing and reaches nothing: a scenario that Parse accepts can be planned
// (squall/scenarios/plan), run (squall/scenarios/run) and judged
// (squall/scenarios/judge).
package scenarios

import (
	"time"

	"squall/chaos"
	"squall/workloads"
	"squall/workloads/shop"

	"k8s.io/apimachinery/pkg/api/resource"
)

// APIVersion and Kind are what every scenario file begins with.
const (
	APIVersion = "squall.dev/v1alpha1"
	Kind       = "Scenario"
)

// Scenario is one parsed and validated scenario, or one of its twins.
type Scenario struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   Metadata `yaml:"metadata"`
	Spec       Spec     `yaml:"spec"`

	// Twin is the name of the twin that this is, empty for the scenario
	// itself.
	Twin string `yaml:"-"`
	// Breaks are the names of the expectations that this twin must break.
	Breaks []string `yaml:"-"`
	// Folder is where the scenario's file lies, from which the files that it names
	// are looked for; empty when it was not read from a file.
	Folder string `yaml:"-"`
}

// Metadata names a scenario.
type Metadata struct {
	Name   string            `yaml:"name"` // a DNS label
	Labels map[string]string `yaml:"labels,omitempty"`
}

// Spec is the body of a scenario.
type Spec struct {
	Description string        `yaml:"description"`
	Cluster     Cluster       `yaml:"cluster"`
	Workloads   []Workload    `yaml:"workloads"`
	Load        []Load        `yaml:"load"`
	Phases      Phases        `yaml:"phases"`
	Steady      []Expectation `yaml:"steady,omitempty"`
	Timeline    []Step        `yaml:"timeline,omitempty"`
	Abort       []Expectation `yaml:"abort,omitempty"` // each ends the run once it is true
	Expect      []Expectation `yaml:"expect"`
	Twins       []Twin        `yaml:"twins,omitempty"`
}

// Cluster says what cluster the scenario runs on.
type Cluster struct {
	Workers       int    `yaml:"workers"`                 // 1 to 5, default 2
	ControlPlanes int    `yaml:"controlPlanes,omitempty"` // 1 or 3; zero means 1
	Timers        string `yaml:"timers"`                  // [TimersStock], the default, or [TimersFast]
	Node          Node   `yaml:"node"`
	// Registries are those that nodes may pull further images from.
	Registries []string `yaml:"registries,omitempty"`
	// FeatureGates are set on every component that knows them.
	FeatureGates map[string]bool `yaml:"featureGates,omitempty"`
	// Flags are components' flags, by component and by flag without dashes.
	Flags map[string]map[string]FlagValue `yaml:"flags,omitempty"`
}

// FlagValue is the value of a component's flag, as it is written: 5, 30s, true.
type FlagValue string

// Node is the size that each worker advertises.
type Node struct {
	CPU    resource.Quantity `yaml:"cpu,omitempty"`    // default 2
	Memory resource.Quantity `yaml:"memory,omitempty"` // default 2Gi
}

// Workload is one thing that is deployed. Exactly one of the pointers is set.
type Workload struct {
	Name    string            `yaml:"name"`
	Enabled *bool             `yaml:"enabled,omitempty"` // default true
	Shop    *shop.Spec        `yaml:"shop,omitempty"`
	Patches []workloads.Patch `yaml:"patches,omitempty"`
}

// Load is an open-loop load on one Service.
type Load struct {
	Name    string `yaml:"name"`
	Enabled *bool  `yaml:"enabled,omitempty"` // default true
	// Target is where it goes, or Targets are where its requests are drawn to.
	Target  Target        `yaml:"target,omitempty"`
	Targets []MixedTarget `yaml:"targets,omitempty"`
	Rate    Pace          `yaml:"rate"`
	Good    Good          `yaml:"good"`
	// By names what answers are told apart by: name → header/Some-Header.
	By map[string]string `yaml:"by,omitempty"`
	// Classes tell how much users get from answers.
	Classes *Classes `yaml:"classes,omitempty"`
	// TLS is how targets with the scheme https are spoken to.
	TLS *TLS `yaml:"tls,omitempty"`
}

// Target is where a load goes.
type Target struct {
	Service string `yaml:"service"`          // a Service of the workloads
	Port    string `yaml:"port"`             // the port's name
	Scheme  string `yaml:"scheme,omitempty"` // https; empty is http
	Path    string `yaml:"path,omitempty"`   // default "/"
	Method  string `yaml:"method,omitempty"` // default GET
	// Headers and Body may hold placeholders, see squall/workloads/draw.
	Headers map[string]string `yaml:"headers,omitempty"`
	Body    string            `yaml:"body,omitempty"`
}

// MixedTarget is one target of several. Its fields are a [Target]'s, besides a
// name and the weight by which requests are drawn to it.
type MixedTarget struct {
	Name    string            `yaml:"name"`
	Enabled *bool             `yaml:"enabled,omitempty"` // default true
	Weight  int               `yaml:"weight"`            // default 1
	Service string            `yaml:"service"`
	Port    string            `yaml:"port"`
	Scheme  string            `yaml:"scheme,omitempty"`
	Path    string            `yaml:"path,omitempty"`
	Method  string            `yaml:"method,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty"`
	Body    string            `yaml:"body,omitempty"`
	Classes *Classes          `yaml:"classes,omitempty"` // instead of the load's
}

// Pace is how often requests are due: a constant rate, or legs when there are
// any.
type Pace struct {
	Rate Rate
	Legs []Leg
}

// Rate is a constant rate, written "200/s".
type Rate float64

// Leg is a stretch of a load's time. Exactly one of At and To is set.
type Leg struct {
	// Until is where it ends; the next one begins there. The last leg's may be
	// left out: it ends with the planned recovery.
	Until Moment   `yaml:"until,omitempty"`
	At    *LegRate `yaml:"at,omitempty"` // the rate that it holds
	To    *LegRate `yaml:"to,omitempty"` // what the rate before it evenly becomes
}

// LegRate is the rate of a leg, written "200/s"; "0/s" is a pause.
type LegRate float64

// Good says which answers count as served.
type Good struct {
	Status Status        `yaml:"status"` // default 2xx
	Within time.Duration `yaml:"within"`
}

// Status is a set of HTTP statuses, written "2xx" or "200" or
// "200,204,3xx".
type Status string

// Phases are the lengths of the timed phases.
type Phases struct {
	Warmup   time.Duration `yaml:"warmup"`
	Steady   time.Duration `yaml:"steady"`
	Fault    time.Duration `yaml:"fault"`
	Recovery time.Duration `yaml:"recovery"` // ends early once all is well and held
}

// Step is one entry of the timeline. It has one trigger: At, or When and By.
type Step struct {
	Name    string `yaml:"name"`
	Enabled *bool  `yaml:"enabled,omitempty"` // default true
	At      Moment `yaml:"at,omitempty"`
	// When is a CEL expression: the entry happens once it is true. By is the
	// moment by which it must have become so.
	When    string        `yaml:"when,omitempty"`
	By      Moment        `yaml:"by,omitempty"`
	For     time.Duration `yaml:"for,omitempty"`
	Victims *Victims      `yaml:"victims,omitempty"`
	// One of the following is set: what the entry does.
	Scale    *Scale                 `yaml:"scale,omitempty"`
	Patch    *Change                `yaml:"patch,omitempty"`
	Delete   *workloads.PatchTarget `yaml:"delete,omitempty"`
	Rollout  *Rollout               `yaml:"rollout,omitempty"`
	Rollback *Rollback              `yaml:"rollback,omitempty"`
	Drain    *Drain                 `yaml:"drain,omitempty"`
	Apply    *Apply                 `yaml:"apply,omitempty"`
	// Chaos is a Chaos Mesh object, or one of Squall's own kinds, decoded.
	Chaos *chaos.Object `yaml:"chaos,omitempty"`
}

// Moment is a point of the run, written "fault+2s".
type Moment struct {
	Phase string
	After time.Duration
}

// Expectation is a named CEL expression that must be true.
type Expectation struct {
	Name    string `yaml:"name"`
	Enabled *bool  `yaml:"enabled,omitempty"` // default true
	That    string `yaml:"that"`
	// Condition is set where a [Checker] is asked of a condition, which is
	// looked at while the run goes on: of a timeline entry's "when", or of one of
	// "abort".
	Condition bool `yaml:"-"`
}

// Twin is a patch that breaks the system under test, and the names of the
// expectations that it must break.
type Twin struct {
	Name    string         `yaml:"name"`
	Enabled *bool          `yaml:"enabled,omitempty"` // default true
	Patch   map[string]any `yaml:"patch"`             // path → value
	Breaks  []string       `yaml:"breaks"`
}

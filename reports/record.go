// Package reports holds the record of a run and the reports made from it.
//
// A record is one folder: everything that happened in one run, on one clock.
// It is written while the run goes on and only read afterwards, so a verdict
// can be reached again years later, on a machine without a cluster. The
// reports in this package (terminal text, JSON, JUnit) are pure functions of
// what was recorded and judged; they reach no cluster and no network.
//
// The package does not decide anything: measuring and judging live in
// squall/scenarios/judge.
package reports

import (
	"time"

	"squall/workloads/sample"
)

// Format names the layout of a record. A reader refuses a format it does not
// know.
const Format = "squall.dev/record/v2"

// formatInLines is the layout before: requests were entries of the journal. Such
// records are read as ever.
const formatInLines = "squall.dev/record/v1"

// The files of a record's folder.
const (
	// FileRecord is the journal: a [Header] line, then one [Entry] a line.
	FileRecord = "record.jsonl"
	// FileRequests are the requests of all loads, as squall/workloads/sample
	// writes them.
	FileRequests = "requests.bin"
	// FileScenario is the scenario as it was run: defaults filled in, the
	// twin's patch applied.
	FileScenario = "scenario.yaml"
	// FilePlan is the plan as JSON.
	FilePlan = "plan.json"
	// FileVerdict is the verdict as JSON.
	FileVerdict = "verdict.json"
)

// Offset is a moment of a run: the time since the run's base on the host's
// monotonic clock. It is written as whole nanoseconds.
type Offset = time.Duration

// Header is the first line of a record. It says all that is needed to
// understand and to repeat the run.
type Header struct {
	Format     string    `json:"format"`              // [Format]
	Squall     string    `json:"squall"`              // version of squall
	Kubernetes string    `json:"kubernetes"`          // for example "v1.36.3"
	NodeImage  string    `json:"nodeImage,omitempty"` // the published image that nodes are made from, if any
	Provider   string    `json:"provider"`            // "embedded" or "kind"
	Timers     string    `json:"timers"`              // "stock" or "fast"
	Scenario   string    `json:"scenario"`            // metadata.name
	Twin       string    `json:"twin,omitempty"`
	Calm       bool      `json:"calm,omitempty"` // the timeline was off
	Digest     string    `json:"digest"`         // sha256 of scenario.yaml
	Seed       uint64    `json:"seed"`
	Started    time.Time `json:"started"` // wall clock at offset zero
	Host       Host      `json:"host"`
	// Flags names debug switches that were on; any of them rules out a pass.
	Flags []string `json:"flags,omitempty"`
	// Replay is the folder's name of the run whose plan and victims this one
	// followed.
	Replay string `json:"replay,omitempty"`
}

// Host holds the facts about the machine that may bear on a result.
type Host struct {
	OS                string `json:"os"`
	Arch              string `json:"arch"`
	Kernel            string `json:"kernel"`
	CPUs              int    `json:"cpus"`
	MemoryBytes       uint64 `json:"memoryBytes"`
	Cgroup            string `json:"cgroup"`            // "v1" or "v2"
	CongestionControl string `json:"congestionControl"` // TCP's default
	Go                string `json:"go"`
}

// Entry is one line of the journal after the header. Exactly one of the
// pointers is set, the one that Kind names. Entries are written as they become
// known, so a reader must not rely on the order of At.
type Entry struct {
	At        Offset          `json:"at"`
	Kind      Kind            `json:"kind"`
	Phase     *PhaseEntry     `json:"phase,omitempty"`
	Request   *RequestEntry   `json:"request,omitempty"`
	Load      *LoadEntry      `json:"load,omitempty"`
	Latencies *LatenciesEntry `json:"latencies,omitempty"`
	Event     *EventEntry     `json:"event,omitempty"`
	Pod       *PodEntry       `json:"pod,omitempty"`
	Workload  *WorkloadEntry  `json:"workload,omitempty"`
	Endpoint  *EndpointEntry  `json:"endpoint,omitempty"`
	Timers    *TimersEntry    `json:"timers,omitempty"`
	Node      *NodeEntry      `json:"node,omitempty"`
	Notice    *NoticeEntry    `json:"notice,omitempty"`
	// Generator is what a load's generator tells of itself.
	Generator *GeneratorEntry `json:"generator,omitempty"`
	Log       *LogEntry       `json:"log,omitempty"`
	Rollout   *RolloutEntry   `json:"rollout,omitempty"`
	Tenants   *TenantsEntry   `json:"tenants,omitempty"`
	Abort     *AbortEntry     `json:"abort,omitempty"`
	HPA       *HPAEntry       `json:"hpa,omitempty"`
	Usage     *UsageEntry     `json:"usage,omitempty"`
	Trouble   *TroubleEntry   `json:"trouble,omitempty"`
	End       *EndEntry       `json:"end,omitempty"`
}

// Kind says what an [Entry] is about.
type Kind string

// The kinds of entries.
const (
	KindPhase     Kind = "phase"
	KindRequest   Kind = "request"
	KindLoad      Kind = "load"
	KindLatencies Kind = "latencies"
	KindEvent     Kind = "event"
	KindPod       Kind = "pod"
	KindWorkload  Kind = "workload"
	KindEndpoint  Kind = "endpoint"
	KindTimers    Kind = "timers"
	KindNode      Kind = "node"
	KindNotice    Kind = "notice"
	// KindGenerator is of a [GeneratorEntry].
	KindGenerator Kind = "generator"
	KindLog       Kind = "log"
	KindRollout   Kind = "rollout"
	KindTenants   Kind = "tenants"
	KindAbort     Kind = "abort"
	KindHPA       Kind = "hpa"
	KindUsage     Kind = "usage"
	KindTrouble   Kind = "trouble"
	KindEnd       Kind = "end"
)

// PhaseEntry says that a phase began at the entry's At. A phase ends where the
// next one begins; the last one, "down", is where the record ends.
type PhaseEntry struct {
	// Name is one of up, deploy, warmup, steady, fault, recovery, quiet, down.
	Name string `json:"name"`
}

// RequestEntry is one request of a load. At is the moment when it was due.
// Latency runs from At to Done. A skipped request was never sent. A [Writer] puts
// requests into [FileRequests]; they are lines of the journal in old records
// only. [Record.EachRequest] knows both.
type RequestEntry struct {
	Load     string `json:"load"`
	Seq      uint64 `json:"seq"`
	Sent     Offset `json:"sent"`            // when it left
	Done     Offset `json:"done"`            // when its answer was complete or it failed
	Code     int    `json:"code"`            // HTTP status; 0 without an answer
	Error    string `json:"error,omitempty"` // why there was no answer
	Skipped  bool   `json:"skipped,omitempty"`
	Instance string `json:"instance,omitempty"` // X-Instance of the answer
	Version  string `json:"version,omitempty"`  // X-Version of the answer
	Target   string `json:"target,omitempty"`   // which it was drawn to, of several
	// By are values of the answer's headers, as the load asks for them.
	By map[string]string `json:"by,omitempty"`
	// Class is how much of what was asked the answer gave.
	Class sample.Class `json:"class,omitempty"`
}

// LoadEntry closes a load: what was planned and what became of it, by the
// generator's own count. Planned = Sent + Skipped, and Sent is the number of
// recorded requests that were not skipped.
type LoadEntry struct {
	Load    string `json:"load"`
	Planned uint64 `json:"planned"`
	Sent    uint64 `json:"sent"`
	Skipped uint64 `json:"skipped"`
	// Complete is false when the generator died before it could say.
	Complete bool `json:"complete"`
	// CPU is the processor time that the generator's process used.
	CPU Offset `json:"cpu,omitempty"`
}

// EventEntry tells one stage in the life of a timeline entry.
type EventEntry struct {
	Name  string `json:"name"`  // name of the timeline entry
	Stage Stage  `json:"stage"` // what happened at At
	// Fault describes it, for example "PodChaos pod-kill".
	Fault string `json:"fault,omitempty"`
	// Step describes a step, which is no fault, for example "scale catalog to 5".
	Step string `json:"step,omitempty"`
	// Lasting is true for a fault that has an undo.
	Lasting bool `json:"lasting,omitempty"`
	// Victims are the pods or nodes that were hit, from stage "injected" on.
	Victims []Victim `json:"victims,omitempty"`
	// Detail is a sentence: the evidence for "bitten", the reason for
	// "unbitten" and "failed", what the condition's parts were for "triggered" and
	// "expired".
	Detail string `json:"detail,omitempty"`
	// Changed is what a step changed, from stage "bitten" on; nil where no
	// generation of an object came of it.
	Changed *Changed `json:"changed,omitempty"`
}

// Stage is a stage in the life of a timeline entry.
type Stage string

// The stages. An event without "bitten" did not prove that it bit.
const (
	StageTriggered Stage = "triggered" // the condition that it waits for became true
	StageExpired   Stage = "expired"   // the condition had not become true by its moment

	StageInjected Stage = "injected" // the injection was sent off
	StageBitten   Stage = "bitten"   // an observer other than the injector saw it
	StageUnbitten Stage = "unbitten" // nobody saw it in time
	StageFailed   Stage = "failed"   // it could not be injected
	StageUndone   Stage = "undone"   // an observer saw that it is gone
	StageLeft     Stage = "left"     // it is still there at the end
)

// Victim is one pod, or one node, that a fault was aimed at.
type Victim struct {
	Role    string `json:"role"`    // the workload it belongs to; of a node, "worker" or "control-plane"
	Ordinal int    `json:"ordinal"` // its place in the plan
	Pod     string `json:"pod"`     // namespace/name; empty for a node
	UID     string `json:"uid"`
	Node    string `json:"node"`
}

// PodEntry is one change of a pod, as the recorder's watch saw it at At.
type PodEntry struct {
	Name        string `json:"name"` // namespace/name
	UID         string `json:"uid"`
	Role        string `json:"role,omitempty"` // the workload it belongs to
	Node        string `json:"node,omitempty"`
	Phase       string `json:"phase"` // Pending, Running, …
	Ready       bool   `json:"ready"`
	Restarts    int32  `json:"restarts"`
	Terminating bool   `json:"terminating,omitempty"`
	Deleted     bool   `json:"deleted,omitempty"`
	// Reason is why a container waits or ended, for example
	// "CrashLoopBackOff".
	Reason string `json:"reason,omitempty"`
	// Containers are those of its containers that were restarted, wait or have
	// ended; records from before they were kept have none.
	Containers []ContainerEntry `json:"containers,omitempty"`
}

// WorkloadEntry is the state of one named workload from At on. Desired is what
// its controller declares; without a controller, what the scenario declared.
type WorkloadEntry struct {
	Name    string `json:"name"`
	Desired int    `json:"desired"`
	Ready   int    `json:"ready"` // pods ready and not terminating
	Pods    int    `json:"pods"`  // pods not terminating
}

// EndpointEntry is the set of ready addresses of a Service from At on.
type EndpointEntry struct {
	Service string   `json:"service"` // namespace/name
	Ready   []string `json:"ready"`   // pod names, sorted
}

// TroubleEntry is anything that makes the run less than sound. Any trouble of
// class "environment" or "generator" makes the verdict inconclusive, any of
// class "internal" makes it an error.
type TroubleEntry struct {
	Class TroubleClass `json:"class"`
	What  string       `json:"what"` // a sentence with the way out
}

// TroubleClass says whose fault a trouble is.
type TroubleClass string

// The classes of trouble.
const (
	TroubleEnvironment TroubleClass = "environment"
	TroubleGenerator   TroubleClass = "generator"
	TroubleInterrupted TroubleClass = "interrupted"
	TroubleInternal    TroubleClass = "internal"
)

// EndEntry is the last line of a complete record. A record without it was cut
// off and can be inconclusive at best.
type EndEntry struct {
	// CPUSeconds is what the whole cluster used from up to down.
	CPUSeconds float64 `json:"cpuSeconds,omitempty"`
}

// Record is a whole record in memory.
type Record struct {
	Header  Header
	Entries []Entry
	// Truncated is true when the journal's last line, or the last requests, were
	// not complete.
	Truncated bool
	// Dir is the folder that it was read from, empty for one that was not.
	Dir string
	// requests are those that are not Entries, as [FileRequests] has them.
	requests []byte
	counts   map[string]int // of them, by load
}

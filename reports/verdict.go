package reports

// Outcome is the result of judging one run.
type Outcome string

// The outcomes. There is no default: a run that could not be judged is
// inconclusive, or an error when the fault is Squall's own.
const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive"
	Error        Outcome = "error"
)

// Verdict is what the judge says about one run.
type Verdict struct {
	Scenario   string  `json:"scenario"`
	Twin       string  `json:"twin,omitempty"`
	Calm       bool    `json:"calm,omitempty"`
	Promise    string  `json:"promise,omitempty"` // metadata.labels.promise
	Kubernetes string  `json:"kubernetes"`
	NodeImage  string  `json:"nodeImage,omitempty"` // the published image that nodes are made from
	Provider   string  `json:"provider"`
	Timers     string  `json:"timers"`
	Seed       uint64  `json:"seed"`
	Outcome    Outcome `json:"outcome"`
	// Reason is one full sentence: the outcome, why, and, where nothing was
	// proven, what to do next. A verdict of an older version has none.
	Reason string `json:"reason,omitempty"`
	// Reasons are sentences: why the outcome is what it is.
	Reasons []string `json:"reasons,omitempty"`
	// Aborted is the condition that ended the run early; nil when none did.
	Aborted *Aborted `json:"aborted,omitempty"`
	// Steady and Expect are the judged expectations in the scenario's order.
	Steady []Finding `json:"steady,omitempty"`
	Expect []Finding `json:"expect,omitempty"`
	// Breaks are the names that a twin must break; Designed tells whether the
	// twin did what it was designed to do. Both are empty for a scenario.
	Breaks   []string `json:"breaks,omitempty"`
	Designed *bool    `json:"designed,omitempty"`
	// Vacuous are those of Breaks that the twin's patch breaks without any fault,
	// and Uncounted says why a verdict does not count. Both are of a suite and not
	// of a run: they are empty in a record.
	Vacuous   []string `json:"vacuous,omitempty"`
	Uncounted string   `json:"uncounted,omitempty"`
	// Windows are the measures of each window, for the reports.
	Windows []WindowMeasure `json:"windows,omitempty"`
	// Generators are what each load's generator did, phase by phase and in the
	// whole run.
	Generators []GeneratorMeasure `json:"generators,omitempty"`
	// Events are the measures of each timeline entry, for the reports.
	Events []EventMeasure `json:"events,omitempty"`
	// Autoscalers are what each autoscaler asked for, for the reports.
	Autoscalers []AutoscalerMeasure `json:"autoscalers,omitempty"`
	// Usage is what each workload used over the run, for the reports.
	Usage []UsageMeasure `json:"usage,omitempty"`
	// Took is the time from the base to the record's last entry.
	Took Offset `json:"took"`
}

// Finding is one judged expectation.
type Finding struct {
	Name string `json:"name"`
	That string `json:"that"` // the CEL text
	// Held is nil when the expectation could not be evaluated.
	Held *bool `json:"held"`
	// Values are the parts of That with what they evaluated to, in order of
	// appearance, for example {"fault.lost", "3"}.
	Values []Value `json:"values,omitempty"`
	// Why says why it could not be evaluated.
	Why string `json:"why,omitempty"`
	// Says is That and its values in words, for example "312 requests were lost
	// in fault, at most 100 were promised".
	Says string `json:"says,omitempty"`
	// Broke is where it became false; nil when it did not, or has no moment.
	Broke *Break `json:"broke,omitempty"`
}

// Break is the moment at which an expectation became false, and what the record
// shows around it.
type Break struct {
	At Offset `json:"at"`
	// Says places it, for example "4.20s after kill".
	Says string `json:"says"`
	// Near are the events, phases, pods, endpoints and nodes that changed within 2 s
	// of At, and what Kubernetes warned of, in order of time; More is how many
	// further ones are left out.
	Near []Nearby `json:"near,omitempty"`
	More int      `json:"more,omitempty"`
	// Log are lines of the containers' logs of the same time, those of pods that
	// changed first.
	Log []LogLine `json:"log,omitempty"`
}

// Nearby is one thing that changed near a [Break].
type Nearby struct {
	At   Offset `json:"at"`
	What string `json:"what"`
}

// Value is one part of an expression and what it evaluated to.
type Value struct {
	Expr  string `json:"expr"`
	Value string `json:"value"`
}

// WindowMeasure is what a load showed in one window.
type WindowMeasure struct {
	Window       string  `json:"window"`
	Load         string  `json:"load"`
	From         Offset  `json:"from"`
	To           Offset  `json:"to"`
	Requests     uint64  `json:"requests"` // sent
	Good         uint64  `json:"good"`
	Lost         uint64  `json:"lost"`
	Skipped      uint64  `json:"skipped"`
	Availability float64 `json:"availability"` // good / (good + lost); 1 when both are 0
	P50          Offset  `json:"p50"`
	P90          Offset  `json:"p90"`
	P99          Offset  `json:"p99"`
	Max          Offset  `json:"max"`
	Outage       Offset  `json:"longestOutage"`
	LagP99       Offset  `json:"lagP99"` // send lag: sent - due
	// Classes are nil for a load without classes.
	Classes *ClassCounts `json:"classes,omitempty"`
}

// EventMeasure is what is known of one timeline entry.
type EventMeasure struct {
	Name     string   `json:"name"`
	Fault    string   `json:"fault"`
	Step     string   `json:"step,omitempty"` // what a step does, which is no fault
	At       Offset   `json:"at"`
	Bitten   bool     `json:"bitten"`
	Evidence string   `json:"evidence,omitempty"`
	Victims  []Victim `json:"victims,omitempty"`
	// Healed and Recovery are nil when they are not known and
	// [Never] when it did not happen.
	Healed   *Offset `json:"healed,omitempty"`
	Recovery *Offset `json:"recovery,omitempty"`
	// Rolled is nil for what is no rollout, and [Never] when it was not complete.
	Rolled *Offset `json:"rolled,omitempty"`
	// Drained is likewise of a drain alone; Undone is what was said of its end.
	Drained *Offset `json:"drained,omitempty"`
	Undone  string  `json:"undone,omitempty"`
	// Predicted are the windows that Kubernetes' timers make of it; Unpredicted
	// says why there are none.
	Predicted   []Predicted `json:"predicted,omitempty"`
	Unpredicted string      `json:"unpredicted,omitempty"`
}

// Never is the duration of what did not happen: the largest there is.
const Never Offset = 1<<63 - 1
